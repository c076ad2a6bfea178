//! Functions that the benchmarks measure and tests call, written as an author would: a row at a time.

use flowgate_sdk::{Aggregate, Concat, Context, Failure, Process, Row, State, Value};

/// The columns that `filter` reads.
#[derive(Debug, Row)]
pub struct Auction {
    /// The number of the auction.
    pub auction: i64,
}

/// Nine rows of ten.
#[flowgate_sdk::transform]
pub fn filter(row: Auction) -> bool {
    row.auction % 10 != 3
}

/// The columns that `map` reads.
#[derive(Debug, Row)]
pub struct Bid<'a> {
    /// The number of the auction.
    pub auction: i64,
    /// The price of the bid.
    pub price: i64,
    /// The channel of the bid.
    pub channel: &'a str,
}

/// The columns that `map` makes.
#[derive(Debug, Row)]
pub struct Converted<'a> {
    /// The price in another currency.
    pub price: i64,
    /// Rebuilt, so that it must be copied.
    pub channel: Concat<'a, 2>,
}

/// Nine rows of ten, with a new price and a rebuilt channel.
#[flowgate_sdk::transform]
pub fn map<'a>(bid: Bid<'a>) -> Option<Converted<'a>> {
    (bid.auction % 10 != 3).then(|| Converted { price: bid.price * 908 / 1000, channel: Concat([bid.channel, "!"]) })
}

/// The columns that `total` reads.
#[derive(Debug, Row)]
pub struct Price {
    /// The price.
    pub price: i64,
}

/// The number of rows and their sum.
#[flowgate_sdk::aggregate]
pub struct Total;

/// The result of `Total`.
#[derive(Debug, Row)]
pub struct Sum {
    /// The number of rows.
    pub count: i64,
    /// The sum of their prices.
    pub sum: i64,
}

impl Aggregate for Total {
    type Row<'a> = Price;
    type Accumulator = (i64, i64);
    type Output = Sum;

    fn update(&self, total: &mut (i64, i64), row: Price) -> Result<(), Failure> {
        total.0 += 1;
        total.1 += row.price;
        Ok(())
    }

    fn merge(&self, left: &mut (i64, i64), right: (i64, i64)) {
        left.0 += right.0;
        left.1 += right.1;
    }

    fn finish(&self, total: (i64, i64)) -> Sum {
        Sum { count: total.0, sum: total.1 }
    }
}

/// The columns that `skew` makes.
#[derive(Debug, Row)]
#[row(passthrough)]
pub struct Skewed {
    /// 0 for every 100th auction, which have half of the bids of Nexmark; else the auction.
    pub hot: i64,
}

/// A key that half of the rows have.
#[flowgate_sdk::transform]
pub fn skew(bid: Auction) -> Skewed {
    Skewed { hot: if bid.auction % 100 == 0 { 0 } else { bid.auction } }
}

/// The columns of each side that `difference` reads.
#[derive(Debug, Row)]
pub struct Numbered {
    /// The number of the row.
    pub id: i64,
}

/// The columns that `difference` makes.
#[derive(Debug, Row)]
#[row(passthrough)]
pub struct Difference {
    /// Right minus left.
    pub difference: Option<i64>,
}

/// Returns by how much the right row's number is greater, if there is a right row. It fails where the left's is divisible by
/// seven.
#[flowgate_sdk::join]
pub fn difference(left: Numbered, right: Option<Numbered>) -> Result<Difference, Failure> {
    if left.id % 7 == 0 {
        return Err(Failure::new("divisible by seven"));
    }
    Ok(Difference { difference: right.map(|right| right.id - left.id) })
}

/// What `counted` keeps for each key.
#[derive(State)]
pub struct Rows {
    rows: Value<i64>,
}

/// The columns that `counted` makes.
#[derive(Debug, Row)]
pub struct Counted {
    /// The number of the row among those of its key, from 1.
    pub number: i64,
}

/// Numbers the rows of each key.
#[flowgate_sdk::config]
pub struct NumberRows;

/// Numbers the rows of each key.
#[flowgate_sdk::process]
impl Process for NumberRows {
    type Row<'a> = Auction;
    type State = Rows;
    type Output = Counted;

    fn on_row(&self, _row: Auction, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let number = ctx.state.rows.get().copied().unwrap_or_default() + 1;
        ctx.state.rows.set(number);
        ctx.emit(Counted { number });
        Ok(())
    }
}

flowgate_sdk::plugin! {
    transforms: [filter, map, skew], aggregates: [Total], joins: [difference], processes: [NumberRows]
}
