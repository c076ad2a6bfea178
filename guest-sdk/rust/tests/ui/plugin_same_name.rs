#[derive(flowgate_sdk::Row)]
struct Order {
    total: i64,
}

#[flowgate_sdk::transform]
fn large(order: Order) -> bool {
    order.total > 1_000
}

#[flowgate_sdk::transform(name = "large")]
fn larger(order: Order) -> bool {
    order.total > 2_000
}

flowgate_sdk::plugin! { transforms: [large, larger] }

fn main() {}
