#[derive(flowgate_sdk::Row)]
struct Order<'a> {
    count: u32,
    weight: Option<f32>,
    name: &'a String,
}

fn main() {}
