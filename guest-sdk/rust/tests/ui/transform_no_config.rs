#[derive(flowgate_sdk::Row)]
struct Order {
    total: i64,
}

struct Limits {
    total_min: i64,
}

#[flowgate_sdk::transform]
fn large(order: Order, limits: &Limits) -> bool {
    order.total >= limits.total_min
}

fn main() {}
