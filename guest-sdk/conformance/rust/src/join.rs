//! A function of pairs, one side of which may be missing.

use flowgate_sdk::{Failure, Row};

#[derive(Row)]
pub(crate) struct Order {
    count: i64,
}

#[derive(Row)]
pub(crate) struct Price<'a> {
    price: i64,
    unit: &'a str,
}

#[derive(Row)]
#[row(passthrough)]
pub(crate) struct Total {
    total: Option<i64>,
    unit_of: Option<String>,
}

/// What an order costs; nothing is known without a price. A price of zero fails.
#[flowgate_sdk::join]
pub(crate) fn priced(order: Order, price: Option<Price>) -> Result<Total, Failure> {
    let Some(price) = price else { return Ok(Total { total: None, unit_of: None }) };
    if price.price == 0 {
        return Err(Failure::new("nothing is free"));
    }
    Ok(Total { total: Some(order.count * price.price), unit_of: Some(price.unit.to_string()) })
}
