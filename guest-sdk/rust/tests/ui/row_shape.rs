#[derive(flowgate_sdk::Row)]
struct Pair(i64, i64);

#[derive(flowgate_sdk::Row)]
enum Either {
    Left,
    Right,
}

#[derive(flowgate_sdk::Row)]
struct Two<'a, 'b> {
    left: &'a str,
    right: &'b str,
}

#[derive(flowgate_sdk::Row)]
struct Twice {
    total: i64,
    #[row(name = "total")]
    sum: i64,
}

#[derive(flowgate_sdk::Row)]
struct Renamed {
    #[row(rename = "type")]
    kind: i64,
}

fn main() {}
