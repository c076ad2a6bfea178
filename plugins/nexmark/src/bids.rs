//! Functions over single bids: q0, q1, q2, q14 and q15.

use flowgate_sdk::{Columns, Output, Row, Timestamp};

/// The factor for prices: dollars to euros.
const RATE: f64 = 0.908;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// The column of a bid that is read where none is needed.
#[derive(Debug, Row)]
pub struct Auction {
    /// The number of the auction.
    pub auction: i64,
}

/// Keeps all rows: q0. Passthrough columns do not cross into the plugin.
#[flowgate_sdk::transform(columns)]
pub fn pass(_bids: Columns<'_, Auction>, out: &mut Output<()>) {
    out.select_all();
}

/// A price.
#[derive(Debug, Row)]
pub struct Price {
    /// In cents.
    pub price: i64,
}

/// A bid with its price in another currency.
#[derive(Debug, Row)]
#[row(passthrough)]
pub struct Converted {
    /// The bid's price times 0.908.
    pub price: f64,
}

/// The price in another currency: q1.
#[flowgate_sdk::transform(columns)]
pub fn convert(bids: Columns<'_, Price>, out: &mut Output<Converted>) {
    out.select_all();
    out.columns.price.extend(bids.price.iter().map(|price| *price as f64 * RATE));
}

/// The auction and the price of a bid.
#[derive(Debug, Clone, PartialEq, Row)]
pub struct AuctionPrice {
    /// The number of the auction.
    pub auction: i64,
    /// In cents.
    pub price: i64,
}

/// Auction and price of the bids on every 123rd auction: q2.
#[flowgate_sdk::transform]
pub fn select(bid: AuctionPrice) -> Option<AuctionPrice> {
    (bid.auction % 123 == 0).then_some(bid)
}

/// The columns of a bid that `calculate` reads.
#[derive(Debug, Row)]
pub struct Bid<'a> {
    /// In cents.
    pub price: i64,
    /// When the bid was made.
    pub date_time: Timestamp,
    /// Any text.
    pub extra: &'a str,
}

/// The columns that `calculate` adds to a bid.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(passthrough)]
pub struct Calculated<'a> {
    /// The bid's price times 0.908.
    pub price: f64,
    /// `dayTime` from 8 to 18 o'clock (UTC), `nightTime` from 20 to 6, else `otherTime`.
    pub bid_time_type: &'a str,
    /// The number of letters `c` in `extra`.
    pub c_counts: i64,
}

/// Bids of more than 1,000,000 and less than 50,000,000 in the other currency, with calculated columns: q14.
#[flowgate_sdk::transform]
pub fn calculate<'a>(bid: Bid<'a>) -> Option<Calculated<'a>> {
    let price = bid.price as f64 * RATE;
    (price > 1_000_000.0 && price < 50_000_000.0).then(|| Calculated {
        price,
        bid_time_type: time_type(bid.date_time),
        c_counts: bid.extra.bytes().filter(|byte| *byte == b'c').count() as i64,
    })
}

fn time_type(time: Timestamp) -> &'static str {
    match time.as_millis().div_euclid(HOUR_MS).rem_euclid(24) {
        8..=18 => "dayTime",
        7 | 19 => "otherTime",
        _ => "nightTime",
    }
}

/// The range of a bid's price.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(passthrough)]
pub struct Ranks {
    /// Below 10,000.
    pub rank1: bool,
    /// From 10,000 to below 1,000,000.
    pub rank2: bool,
    /// From 1,000,000.
    pub rank3: bool,
}

/// The range of the price, one of three, as a column each: q15.
#[flowgate_sdk::transform(columns)]
pub fn rank(bids: Columns<'_, Price>, out: &mut Output<Ranks>) {
    out.select_all();
    for price in bids.price {
        out.columns.rank1.push(*price < 10_000);
        out.columns.rank2.push((10_000..1_000_000).contains(price));
        out.columns.rank3.push(*price >= 1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::run;

    #[test]
    fn all_bids_pass() {
        assert_eq!(run::<pass, _>("{}", [1, 2].map(|auction| Auction { auction })).unwrap().selection(), [0, 1]);
    }

    #[test]
    fn prices_are_converted() {
        let out = run::<convert, _>("{}", [Price { price: 1_000 }]).unwrap();
        assert_eq!(out.rows::<Converted>()[0].price, 908.0);
    }

    #[test]
    fn some_auctions_are_selected() {
        let bids = [245, 246, 247].map(|auction| AuctionPrice { auction, price: 7 });
        let out = run::<select, _>("{}", bids).unwrap();
        assert_eq!(out.rows::<AuctionPrice>(), [AuctionPrice { auction: 246, price: 7 }]);
    }

    #[test]
    fn middling_prices_are_calculated() {
        let at = |hour| Timestamp::from_civil(2026, 3, 1, hour, 30, 0).unwrap();
        let bid = |price, hour| Bid { price, date_time: at(hour), extra: "abcCc" };
        let bids = [bid(1_101_321, 1), bid(1_101_322, 6), bid(2_000_000, 7), bid(2_000_000, 8), bid(60_000_000, 9)];
        let out = run::<calculate, _>("{}", bids).unwrap();
        assert_eq!(out.selection(), [1, 2, 3]);
        let rows = out.rows::<Calculated>();
        assert_eq!(rows.iter().map(|row| row.bid_time_type).collect::<Vec<_>>(), ["nightTime", "otherTime", "dayTime"]);
        assert_eq!((rows[1].price, rows[1].c_counts), (1_816_000.0, 2));
    }

    #[test]
    fn each_price_has_one_rank() {
        let prices = [9_999, 10_000, 999_999, 1_000_000];
        let out = run::<rank, _>("{}", prices.map(|price| Price { price })).unwrap();
        let ranks: Vec<_> = out.rows::<Ranks>().iter().map(|r| (r.rank1, r.rank2, r.rank3)).collect();
        assert_eq!(ranks, [(true, false, false), (false, true, false), (false, true, false), (false, false, true)]);
    }
}
