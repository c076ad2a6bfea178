//! The bid that wins an auction: q9.

use std::cmp::Reverse;

use flowgate_sdk::{Context, Failure, List, Process, Row, State, StateValue, Timer, Timestamp, Value};

use crate::winning_price::{AuctionKey, Due, REMEMBERED_MS};

/// The columns of an auction that are read: the first input.
#[derive(Debug, Clone, Row)]
pub struct Auction<'a> {
    /// The name of the item.
    pub item_name: &'a str,
    /// The description of the item.
    pub description: &'a str,
    /// The first price.
    pub initial_bid: i64,
    /// The lowest price that the seller hopes for.
    pub reserve: i64,
    /// When it begins.
    pub date_time: Timestamp,
    /// When it ends: its last millisecond.
    pub expires: Timestamp,
    /// The seller.
    pub seller: i64,
    /// The kind of thing.
    pub category: i64,
    /// Any text.
    pub extra: &'a str,
}

/// The columns of a bid that are read: the second input.
#[derive(Debug, Clone, Row)]
pub struct Bid<'a> {
    /// The bidder.
    pub bidder: i64,
    /// The price.
    pub price: i64,
    /// When it was made.
    pub date_time: Timestamp,
    /// Any text.
    pub extra: &'a str,
}

/// An auction and the bid that won it.
#[derive(Debug, Clone, PartialEq, Row)]
pub struct Winner<'a> {
    /// The auction's number.
    pub id: i64,
    /// The name of the item.
    pub item_name: &'a str,
    /// The description of the item.
    pub description: &'a str,
    /// The first price.
    pub initial_bid: i64,
    /// The lowest price that the seller hoped for.
    pub reserve: i64,
    /// When the auction began.
    pub date_time: Timestamp,
    /// When it ended.
    pub expires: Timestamp,
    /// The seller.
    pub seller: i64,
    /// The kind of thing.
    pub category: i64,
    /// The auction's text.
    pub extra: &'a str,
    /// The auction's number, as the bid has it.
    pub auction: i64,
    /// The bidder who won.
    pub bidder: i64,
    /// The price of the bid.
    pub price: i64,
    /// When the bid was made.
    pub bid_date_time: Timestamp,
    /// The bid's text.
    pub bid_extra: &'a str,
}

/// The columns of an auction that are kept only for its result.
#[derive(Debug, Clone, PartialEq, StateValue)]
struct Item {
    item_name: String,
    description: String,
    initial_bid: i64,
    reserve: i64,
    seller: i64,
    category: i64,
    extra: String,
}

/// The columns of a bid that are kept.
#[derive(Debug, Clone, PartialEq, StateValue)]
struct Offer {
    price: i64,
    date_time: Timestamp,
    bidder: i64,
    extra: String,
}

impl Offer {
    fn of(bid: &Bid) -> Self {
        Offer { price: bid.price, date_time: bid.date_time, bidder: bid.bidder, extra: bid.extra.into() }
    }

    /// Ranks offers: the higher price wins; of equal ones the earlier bid, and of those the bidder with the lower number.
    fn rank(&self) -> (i64, Reverse<Timestamp>, Reverse<i64>) {
        (self.price, Reverse(self.date_time), Reverse(self.bidder))
    }

    fn loses_against(&self, bid: &Bid) -> bool {
        self.rank() < (bid.price, Reverse(bid.date_time), Reverse(bid.bidder))
    }
}

/// The state of an auction. Columns that each bid is compared with are separate from those for the result alone.
#[derive(Debug, State)]
pub struct Kept {
    /// The beginning and the end.
    times: Value<(Timestamp, Timestamp)>,
    /// The other columns of the auction.
    item: Value<Item>,
    /// The bid that would win now.
    best: Value<Offer>,
    /// Bids that arrived before the auction.
    early: List<Offer>,
}

/// There are no settings.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct WinningBid;

/// Each auction with the highest bid within the auction's time, when the auction ends; of equal bids the earlier. Inputs:
/// auctions, bids; key: the auction. An auction without a bid has no result.
#[flowgate_sdk::process]
impl Process for WinningBid {
    type Row<'a> = Auction<'a>;
    type Other<'a> = Bid<'a>;
    type Key<'a> = AuctionKey;
    type State = Kept;
    type Tag = Due;
    type Output = Winner<'static>;

    fn on_row(&self, auction: Auction<'_>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let Auction { date_time, expires, initial_bid, reserve, seller, category, .. } = auction;
        ctx.state.times.set((date_time, expires));
        ctx.state.item.set(Item {
            item_name: auction.item_name.into(),
            description: auction.description.into(),
            initial_bid,
            reserve,
            seller,
            category,
            extra: auction.extra.into(),
        });
        ctx.timers.set(Timer::event_time(expires, Due::End));
        let in_time = ctx.state.early.get().iter().filter(|bid| (date_time..=expires).contains(&bid.date_time));
        if let Some(best) = in_time.max_by_key(|bid| bid.rank()).cloned() {
            ctx.state.best.set(best);
        }
        Ok(())
    }

    fn on_other(&self, bid: Bid<'_>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        match ctx.state.times.get() {
            Some((date_time, expires)) => {
                if (*date_time..=*expires).contains(&bid.date_time)
                    && ctx.state.best.get().is_none_or(|best| best.loses_against(&bid))
                {
                    ctx.state.best.set(Offer::of(&bid));
                }
            }
            None => {
                ctx.state.early.push(Offer::of(&bid));
                ctx.timers.set(Timer::event_time(bid.date_time, Due::Early));
            }
        }
        Ok(())
    }

    fn on_timer(&self, timer: Timer<Due>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        match timer.tag {
            Due::End => end(ctx),
            Due::Forget => ctx.state.times.clear(),
            Due::Early => {
                let early = ctx.state.early.get();
                let later: Vec<_> = early.iter().filter(|bid| bid.date_time > timer.time).cloned().collect();
                ctx.state.early.replace(later);
            }
        }
        Ok(())
    }
}

/// Emits the result of an auction.
fn end(ctx: &mut Context<'_, WinningBid>) {
    let id = ctx.key().id;
    let state = &mut ctx.state;
    let Some((date_time, expires)) = state.times.get().copied() else { return };
    if let (Some(item), Some(bid)) = (state.item.get(), state.best.get()) {
        let Item { initial_bid, reserve, seller, category, .. } = *item;
        ctx.out.push(Winner {
            id,
            item_name: &item.item_name,
            description: &item.description,
            initial_bid,
            reserve,
            date_time,
            expires,
            seller,
            category,
            extra: &item.extra,
            auction: id,
            bidder: bid.bidder,
            price: bid.price,
            bid_date_time: bid.date_time,
            bid_extra: &bid.extra,
        });
    }
    state.item.clear();
    state.best.clear();
    let until = Timestamp::from_millis(expires.as_millis().saturating_add(REMEMBERED_MS));
    ctx.timers.set(Timer::event_time(until, Due::Forget));
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::ProcessHarness;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn bid(time: i64, bidder: i64, price: i64) -> Bid<'static> {
        Bid { bidder, price, date_time: at(time), extra: "bid" }
    }

    fn auction() -> Auction<'static> {
        Auction {
            item_name: "lamp",
            description: "red",
            initial_bid: 1,
            reserve: 1_000,
            date_time: at(100),
            expires: at(200),
            seller: 7,
            category: 10,
            extra: "auction",
        }
    }

    /// In any order of arrival; a bid below the reserve wins, too.
    #[test]
    fn of_equal_bids_the_earlier_wins() {
        let bids =
            [bid(99, 1, 90), bid(120, 3, 50), bid(110, 4, 50), bid(110, 2, 50), bid(130, 1, 20), bid(201, 1, 90)];
        for before in 0..bids.len() {
            let mut harness = ProcessHarness::<WinningBid>::open("{}").unwrap();
            let key = || AuctionKey { id: 5 };
            for (number, bid) in bids.iter().enumerate() {
                if number == before {
                    harness.row(key(), auction());
                }
                harness.other(key(), bid.clone());
            }
            harness.advance_watermark(at(200));
            let rows = harness.rows::<Winner>();
            assert_eq!(rows.len(), 1);
            assert_eq!((rows[0].id, rows[0].bidder, rows[0].price, rows[0].bid_date_time), (5, 2, 50, at(110)));
            assert_eq!((rows[0].item_name, rows[0].extra, rows[0].bid_extra), ("lamp", "auction", "bid"));
            harness.advance_watermark(at(200 + REMEMBERED_MS));
            assert!(harness.state(key(), |kept| kept.times.get().is_none() && kept.early.get().is_empty()));
        }
    }
}
