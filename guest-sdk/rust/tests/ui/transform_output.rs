#[derive(flowgate_sdk::Row)]
struct Order {
    total: i64,
}

#[flowgate_sdk::transform]
fn total(order: Order) -> i64 {
    order.total
}

fn main() {}
