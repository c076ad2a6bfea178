#![doc = include_str!("../README.md")]

mod auctions;
mod bids;
mod hot_items;
mod winning_bid;
mod winning_price;

pub use auctions::{CategoryConfig, StateConfig, by_category, by_state};
pub use bids::{calculate, convert, pass, rank, select};
pub use hot_items::{Hottest, each_auction};
pub use winning_bid::WinningBid;
pub use winning_price::WinningPrice;

flowgate_sdk::plugin! {
    transforms: [pass, convert, select, by_category, by_state, each_auction, calculate, rank],
    aggregates: [Hottest],
    processes: [WinningBid, WinningPrice],
}
