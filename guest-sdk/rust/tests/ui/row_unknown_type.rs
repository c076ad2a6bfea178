struct Money(i64);

#[derive(flowgate_sdk::Row)]
struct Order {
    total: Money,
}

fn main() {}
