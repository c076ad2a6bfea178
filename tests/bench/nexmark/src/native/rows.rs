//! Queries over one bid at a time.

use nexmark::event::Bid;

use crate::results::{CalculatedBid, ConvertedBid, PassedBid, RATE, SelectedBid, Time};

/// Bids, unchanged.
pub fn q0<'a>(bids: &'a [Bid], emit: &mut impl FnMut(PassedBid<'a>)) {
    bids.iter().for_each(|bid| emit(PassedBid::of(bid)));
}

/// Bids in another currency.
pub fn q1<'a>(bids: &'a [Bid], emit: &mut impl FnMut(ConvertedBid<'a>)) {
    bids.iter().for_each(|bid| emit(ConvertedBid::of(bid)));
}

/// Bids on some auctions.
pub fn q2(bids: &[Bid], emit: &mut impl FnMut(SelectedBid)) {
    for bid in bids {
        if bid.auction % 123 == 0 {
            emit(SelectedBid { auction: bid.auction, price: bid.price });
        }
    }
}

/// Bids of a medium price, with calculated columns.
pub fn q14<'a>(bids: &'a [Bid], emit: &mut impl FnMut(CalculatedBid<'a>)) {
    for bid in bids {
        let price = bid.price as f64 * RATE;
        if price <= 1_000_000.0 || price >= 50_000_000.0 {
            continue;
        }
        let hour = bid.date_time / 3_600_000 % 24;
        let bid_time_type = if (8..=18).contains(&hour) {
            "dayTime"
        } else if hour <= 6 || hour >= 20 {
            "nightTime"
        } else {
            "otherTime"
        };
        emit(CalculatedBid {
            auction: bid.auction,
            bidder: bid.bidder,
            price,
            bid_time_type,
            date_time: Time(bid.date_time),
            extra: &bid.extra,
            c_counts: bid.extra.bytes().filter(|byte| *byte == b'c').count() as u64,
        });
    }
}
