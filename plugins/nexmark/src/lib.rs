#![doc = include_str!("../README.md")]

mod auctions;
mod bids;
mod hot_items;

pub use auctions::{CategoryConfig, StateConfig, by_category, by_state};
pub use bids::{calculate, convert, pass, rank, select};
pub use hot_items::{Hottest, each_auction};

flowgate_sdk::plugin! {
    transforms: [pass, convert, select, by_category, by_state, each_auction, calculate, rank],
    aggregates: [Hottest],
}
