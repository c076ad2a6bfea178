use flowgate_sdk::{State, StateValue, Value};

#[derive(State)]
struct NoSlot {
    count: u64,
}

#[derive(StateValue)]
struct NoValue {
    when: std::time::Duration,
}

#[derive(State)]
struct NoValueInASlot {
    when: Value<std::time::Duration>,
}

fn main() {}
