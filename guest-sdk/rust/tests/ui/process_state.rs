use flowgate_sdk::{SideOutput, SideOutputs, State, StateValue, TimerTag, Value};

#[derive(State)]
struct NotNamed(Value<i64>);

#[derive(State)]
struct Attributes {
    #[state(ttl = "soon")]
    a: Value<i64>,
    #[state(time = "1h")]
    b: Value<i64>,
    #[state(name = "a")]
    c: Value<i64>,
}

#[derive(State)]
struct Migrations {
    #[state(version = 2, migrate(2 = From::from))]
    not_older: Value<i64>,
    #[state(version = 2, migrate(1 = From::from, 1 = From::from))]
    twice: Value<i64>,
    #[state(version = 2, migrate(u32))]
    no_version: Value<i64>,
}

#[derive(StateValue)]
struct Borrowed<'a> {
    text: &'a str,
}

#[derive(TimerTag, Clone, Copy)]
enum WithFields {
    At(u64),
}

#[derive(SideOutputs)]
struct TheHosts {
    late: SideOutput<()>,
}

fn main() {}
