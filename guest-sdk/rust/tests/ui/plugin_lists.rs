flowgate_sdk::plugin! {}

flowgate_sdk::plugin! { functions: [parse] }

flowgate_sdk::plugin! { transforms: [parse, parse] }

fn main() {}
