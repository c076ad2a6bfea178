use flowgate_sdk::Row;

#[derive(Row)]
struct Order {
    total: i64,
}

#[flowgate_sdk::transform]
fn by_reference(order: &Order) -> bool {
    order.total > 0
}

#[flowgate_sdk::transform]
fn by_value(order: Order, limit: i64) -> bool {
    order.total > limit
}

#[flowgate_sdk::transform]
fn nothing() -> bool {
    true
}

#[flowgate_sdk::transform]
async fn waits(order: Order) -> bool {
    order.total > 0
}

#[flowgate_sdk::transform(columns)]
fn no_output(orders: flowgate_sdk::Columns<'_, Order>) {}

#[flowgate_sdk::transform(named = "x")]
fn argument(order: Order) -> bool {
    order.total > 0
}

fn main() {}
