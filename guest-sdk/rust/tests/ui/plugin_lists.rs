flowgate_sdk::plugin! {}

flowgate_sdk::plugin! { functions: [parse] }

fn main() {}
