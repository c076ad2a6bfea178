#[derive(flowgate_sdk::Row)]
struct Order {
    total: i64,
}

fn large(order: Order) -> bool {
    order.total > 0
}

flowgate_sdk::plugin! { transforms: [large] }

fn main() {}
