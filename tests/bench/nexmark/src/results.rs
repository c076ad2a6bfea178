//! The result rows of the queries, with the columns and names of the jobs' results. As JSON they are what a file sink writes.

#![allow(missing_docs, reason = "fields are the columns of the jobs, which their README explains")]

use nexmark::event::{Auction, Bid};
use serde::{Serialize, Serializer};

/// Length of the windows, and gap of the sessions, in milliseconds.
pub const WINDOW_MS: u64 = 10_000;
/// The interval between the ends of q5's sliding windows, in milliseconds.
pub const SLIDE_MS: u64 = 2_000;
/// Length of the windows of q15, in milliseconds.
pub const DAY_MS: u64 = 86_400_000;
/// The factor for prices in q1 and q14.
pub const RATE: f64 = 0.908;
/// The states of q3, in the letters of the crate `nexmark`.
pub const STATES: [&str; 3] = ["or", "id", "ca"];
/// The category of q3.
pub const CATEGORY: usize = 10;

/// Unix milliseconds; as JSON, RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = jiff::Timestamp::from_millisecond(self.0 as i64).map_err(serde::ser::Error::custom)?;
        serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

/// Returns the window of a length that contains a time: its start, its end.
pub fn window(time: u64, length: u64) -> (Time, Time) {
    let start = time / length * length;
    (Time(start), Time(start + length))
}

/// q0: an unchanged bid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassedBid<'a> {
    pub auction: usize,
    pub bidder: usize,
    pub price: usize,
    pub channel: &'a str,
    pub url: &'a str,
    pub date_time: Time,
    pub extra: &'a str,
}

impl<'a> PassedBid<'a> {
    /// Returns all of a bid.
    pub fn of(bid: &'a Bid) -> Self {
        let Bid { auction, bidder, price, channel, url, date_time, extra } = bid;
        PassedBid {
            auction: *auction,
            bidder: *bidder,
            price: *price,
            channel,
            url,
            date_time: Time(*date_time),
            extra,
        }
    }
}

/// q1: a bid in another currency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvertedBid<'a> {
    pub auction: usize,
    pub bidder: usize,
    pub price: f64,
    pub date_time: Time,
    pub extra: &'a str,
}

impl<'a> ConvertedBid<'a> {
    /// Returns a bid's row.
    pub fn of(bid: &'a Bid) -> Self {
        let price = bid.price as f64 * RATE;
        ConvertedBid {
            auction: bid.auction,
            bidder: bid.bidder,
            price,
            date_time: Time(bid.date_time),
            extra: &bid.extra,
        }
    }
}

/// q2: a bid on one of some auctions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelectedBid {
    pub auction: usize,
    pub price: usize,
}

/// q3: the sellers and their auctions in some states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LocalItem<'a> {
    pub name: &'a str,
    pub city: &'a str,
    pub state: &'a str,
    pub id: usize,
}

/// q4: the mean of the winning prices of a category.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryPrice {
    pub category: usize,
    pub price: f64,
}

/// q5: an auction that had the most bids in a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HotItem {
    pub auction: usize,
    pub num: u64,
    pub window_end: Time,
}

/// q7: the highest bid of a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HighestBid<'a> {
    pub auction: usize,
    pub bidder: usize,
    pub price: usize,
    pub date_time: Time,
    pub extra: &'a str,
    pub window_end: Time,
}

impl<'a> HighestBid<'a> {
    /// Returns the row of this bid and its window.
    pub fn of(bid: &'a Bid) -> Self {
        HighestBid {
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            date_time: Time(bid.date_time),
            extra: &bid.extra,
            window_end: window(bid.date_time, WINDOW_MS).1,
        }
    }
}

/// q8: a person who registered and opened an auction in the same window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewSeller<'a> {
    pub id: usize,
    pub name: &'a str,
    pub date_time: Time,
}

/// q9: an auction and the bid that won it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WinningBid<'a> {
    pub id: usize,
    pub item_name: &'a str,
    pub description: &'a str,
    pub initial_bid: usize,
    pub reserve: usize,
    pub date_time: Time,
    pub expires: Time,
    pub seller: usize,
    pub category: usize,
    pub extra: &'a str,
    pub auction: usize,
    pub bidder: usize,
    pub price: usize,
    pub bid_date_time: Time,
    pub bid_extra: &'a str,
}

impl<'a> WinningBid<'a> {
    /// Returns the row of this auction and this bid.
    pub fn of(auction: &'a Auction, bid: &'a Bid) -> Self {
        WinningBid {
            id: auction.id,
            item_name: &auction.item_name,
            description: &auction.description,
            initial_bid: auction.initial_bid,
            reserve: auction.reserve,
            date_time: Time(auction.date_time),
            expires: Time(auction.expires),
            seller: auction.seller,
            category: auction.category,
            extra: &auction.extra,
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            bid_date_time: Time(bid.date_time),
            bid_extra: &bid.extra,
        }
    }
}

/// q11: a session of a bidder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Session {
    pub bidder: usize,
    pub bid_count: u64,
    pub window_start: Time,
    pub window_end: Time,
}

/// q12: the number of bids of a bidder in a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BidderCount {
    pub bidder: usize,
    pub bid_count: u64,
}

/// q14: a bid of a medium price, with calculated columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalculatedBid<'a> {
    pub auction: usize,
    pub bidder: usize,
    pub price: f64,
    pub bid_time_type: &'static str,
    pub date_time: Time,
    pub extra: &'a str,
    pub c_counts: u64,
}

/// q15: the bids of a day, and the numbers of different bidders and auctions, by rank of the price.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayReport {
    pub window_start: Time,
    pub total_bids: u64,
    pub rank1_bids: u64,
    pub rank2_bids: u64,
    pub rank3_bids: u64,
    pub total_bidders: u64,
    pub rank1_bidders: u64,
    pub rank2_bidders: u64,
    pub rank3_bidders: u64,
    pub total_auctions: u64,
    pub rank1_auctions: u64,
    pub rank2_auctions: u64,
    pub rank3_auctions: u64,
}
