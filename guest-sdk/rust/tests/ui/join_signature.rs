use flowgate_sdk::Row;

#[derive(Row)]
struct Order {
    total: i64,
}

#[flowgate_sdk::join]
fn one_side(order: Order) -> Order {
    order
}

#[flowgate_sdk::join]
fn by_reference(left: Order, right: &Order) -> Order {
    left
}

#[flowgate_sdk::join]
fn by_value(left: Order, right: Order, limit: i64) -> bool {
    left.total > limit
}

#[flowgate_sdk::join(names = "x")]
fn argument(left: Order, right: Order) -> bool {
    true
}

fn main() {}
