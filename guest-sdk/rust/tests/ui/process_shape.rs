use flowgate_sdk::Row;

#[derive(Row)]
struct Order {
    total: i64,
}

#[flowgate_sdk::config]
struct Nothing;

#[flowgate_sdk::process]
impl flowgate_sdk::Process for Nothing {}

#[flowgate_sdk::config]
struct Misspelt;

#[flowgate_sdk::process]
impl flowgate_sdk::Process for Misspelt {
    type Row<'a> = Order;
    type Out = Order;
    fn on_row(&self, _row: Order, _ctx: &mut flowgate_sdk::Context<'_, Self>) -> Result<(), flowgate_sdk::Failure> {
        Ok(())
    }
    fn on_time(&self) {}
}

#[flowgate_sdk::config]
struct HalfASecondInput;

#[flowgate_sdk::process]
impl flowgate_sdk::Process for HalfASecondInput {
    type Row<'a> = Order;
    type Other<'a> = Order;
    fn on_row(&self, _row: Order, _ctx: &mut flowgate_sdk::Context<'_, Self>) -> Result<(), flowgate_sdk::Failure> {
        Ok(())
    }
}

#[flowgate_sdk::process]
struct Above;

#[flowgate_sdk::process(tag = "x")]
impl flowgate_sdk::Process for Above {}

fn main() {}
