//! The price at which an auction ends: q4.

use flowgate_sdk::{Context, Failure, List, Process, Row, State, Timer, TimerTag, Timestamp, Value};

/// How long after its end an auction is remembered, in milliseconds of event time: later bids are known to be in vain, and need
/// no timer each.
pub(crate) const REMEMBERED_MS: i64 = 1_000;

/// The number of an auction: the key.
#[derive(Debug, Clone, Row)]
pub struct AuctionKey {
    /// The number, in both inputs.
    pub id: i64,
}

/// The columns of an auction that are read: the first input.
#[derive(Debug, Clone, Row)]
pub struct Auction {
    /// When it begins.
    pub date_time: Timestamp,
    /// When it ends: its last millisecond.
    pub expires: Timestamp,
    /// The kind of thing.
    pub category: i64,
}

/// The columns of a bid that are read: the second input.
#[derive(Debug, Clone, Row)]
pub struct Bid {
    /// When it was made.
    pub date_time: Timestamp,
    /// The price.
    pub price: i64,
}

/// The end of an auction that had a bid.
#[derive(Debug, Clone, PartialEq, Row)]
pub struct Won {
    /// The kind of thing.
    pub category: i64,
    /// The highest bid within the auction's time.
    pub price: i64,
}

/// The state of an auction.
#[derive(Debug, State)]
pub struct Kept {
    /// The beginning, the end and the category.
    auction: Value<(Timestamp, Timestamp, i64)>,
    /// The highest bid so far.
    price: Value<i64>,
    /// Bids that arrived before the auction: time and price.
    early: List<(Timestamp, i64)>,
}

/// The purpose of a timer.
#[derive(Debug, Clone, Copy, PartialEq, TimerTag)]
pub enum Due {
    /// The auction ends.
    End,
    /// The auction can be forgotten.
    Forget,
    /// The auction of an early bid can no longer arrive.
    Early,
}

/// There are no settings.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct WinningPrice;

/// The highest bid of each auction within the auction's time, when the auction ends, with its category. Inputs: auctions, bids;
/// key: the auction. An auction without a bid has no result.
#[flowgate_sdk::process]
impl Process for WinningPrice {
    type Row<'a> = Auction;
    type Other<'a> = Bid;
    type Key<'a> = AuctionKey;
    type State = Kept;
    type Tag = Due;
    type Output = Won;

    fn on_row(&self, auction: Auction, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let Auction { date_time, expires, category } = auction;
        ctx.state.auction.set((date_time, expires, category));
        ctx.timers.set(Timer::event_time(expires, Due::End));
        let in_time = ctx.state.early.get().iter().filter(|(time, _)| (date_time..=expires).contains(time));
        if let Some(price) = in_time.map(|(_, price)| *price).max() {
            ctx.state.price.set(price);
        }
        Ok(())
    }

    fn on_other(&self, bid: Bid, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        match ctx.state.auction.get() {
            Some((date_time, expires, _)) => {
                if (*date_time..=*expires).contains(&bid.date_time)
                    && ctx.state.price.get().is_none_or(|price| bid.price > *price)
                {
                    ctx.state.price.set(bid.price);
                }
            }
            None => {
                ctx.state.early.push((bid.date_time, bid.price));
                ctx.timers.set(Timer::event_time(bid.date_time, Due::Early));
            }
        }
        Ok(())
    }

    fn on_timer(&self, timer: Timer<Due>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        match timer.tag {
            Due::End => {
                if let Some((_, expires, category)) = ctx.state.auction.get().copied() {
                    if let Some(price) = ctx.state.price.get().copied() {
                        ctx.emit(Won { category, price });
                        ctx.state.price.clear();
                    }
                    let until = Timestamp::from_millis(expires.as_millis().saturating_add(REMEMBERED_MS));
                    ctx.timers.set(Timer::event_time(until, Due::Forget));
                }
            }
            Due::Forget => ctx.state.auction.clear(),
            Due::Early => {
                let later: Vec<_> =
                    ctx.state.early.get().iter().filter(|(time, _)| *time > timer.time).copied().collect();
                ctx.state.early.replace(later);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::ProcessHarness;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn auction(from: i64, to: i64) -> Auction {
        Auction { date_time: at(from), expires: at(to), category: 10 }
    }

    fn bid(time: i64, price: i64) -> Bid {
        Bid { date_time: at(time), price }
    }

    #[test]
    fn the_highest_bid_in_time_wins() {
        let mut harness = ProcessHarness::<WinningPrice>::open("{}").unwrap();
        let key = || AuctionKey { id: 1 };
        harness.other(key(), bid(99, 900));
        harness.other(key(), bid(100, 20));
        harness.row(key(), auction(100, 200));
        harness.other(key(), bid(150, 30));
        harness.other(key(), bid(200, 40));
        harness.other(key(), bid(201, 900));
        harness.advance_watermark(at(199));
        assert_eq!(harness.rows::<Won>(), []);
        harness.advance_watermark(at(200));
        assert_eq!(harness.rows::<Won>(), [Won { category: 10, price: 40 }]);
    }

    /// Goal: bids before an auction and after one, and an auction without any, leave no state.
    #[test]
    fn nothing_is_kept_for_ever() {
        let mut harness = ProcessHarness::<WinningPrice>::open("{}").unwrap();
        harness.other(AuctionKey { id: 1 }, bid(50, 1));
        harness.row(AuctionKey { id: 2 }, auction(10, 60));
        harness.other(AuctionKey { id: 2 }, bid(70, 1));
        harness.advance_watermark(at(60 + REMEMBERED_MS));
        assert_eq!(harness.rows::<Won>(), []);
        for key in [1, 2] {
            assert!(
                harness
                    .state(AuctionKey { id: key }, |kept| kept.auction.get().is_none() && kept.early.get().is_empty())
            );
        }
    }
}
