//! Queries that aggregate bids in windows.

use std::collections::VecDeque;
use std::time::Instant;

use hashbrown::{HashMap, HashSet};
use nexmark::event::Bid;

use crate::results::{BidderCount, DAY_MS, DayReport, HighestBid, HotItem, SLIDE_MS, Session, Time, WINDOW_MS};

/// The number of bids that q12 counts between two readings of the clock.
const BIDS_BETWEEN_CLOCKS: usize = 1024;

/// The auctions with the most bids. A bid is counted once, in a pane of the slide's length; a window is five panes.
pub fn q5(bids: &[Bid], emit: &mut impl FnMut(HotItem)) {
    let mut panes: VecDeque<(u64, HashMap<usize, u64>)> = VecDeque::new();
    let mut totals: HashMap<usize, u64> = HashMap::new();
    let mut pane_end = 0;
    let mut emit_window = |end: u64, panes: &mut VecDeque<(u64, HashMap<usize, u64>)>| {
        while panes.front().is_some_and(|(pane_end, _)| pane_end + WINDOW_MS <= end) {
            panes.pop_front();
        }
        totals.clear();
        for (auction, count) in panes.iter().flat_map(|(_, pane)| pane) {
            *totals.entry(*auction).or_default() += count;
        }
        let most = totals.values().copied().max().unwrap_or(0);
        for (auction, num) in totals.iter().filter(|(_, num)| **num == most) {
            emit(HotItem { auction: *auction, num: *num, window_end: Time(end) });
        }
    };
    for bid in bids {
        if bid.date_time >= pane_end {
            let next_end = (bid.date_time / SLIDE_MS + 1) * SLIDE_MS;
            while pane_end < next_end && !panes.is_empty() {
                emit_window(pane_end, &mut panes);
                pane_end += SLIDE_MS;
            }
            pane_end = next_end;
            panes.push_back((pane_end, HashMap::new()));
        }
        if let Some((_, pane)) = panes.back_mut() {
            *pane.entry(bid.auction).or_default() += 1;
        }
    }
    while !panes.is_empty() {
        emit_window(pane_end, &mut panes);
        pane_end += SLIDE_MS;
    }
}

/// The highest bid of each window; of equal ones, the first.
pub fn q7<'a>(bids: &'a [Bid], emit: &mut impl FnMut(HighestBid<'a>)) {
    let mut highest: Option<&Bid> = None;
    let mut end = 0;
    for bid in bids {
        if bid.date_time >= end {
            highest.take().into_iter().for_each(|bid| emit(HighestBid::of(bid)));
            end = (bid.date_time / WINDOW_MS + 1) * WINDOW_MS;
        }
        if highest.is_none_or(|highest| bid.price > highest.price) {
            highest = Some(bid);
        }
    }
    highest.into_iter().for_each(|bid| emit(HighestBid::of(bid)));
}

/// The state of an open session.
struct Running {
    start: u64,
    last: u64,
    count: u64,
}

impl Running {
    fn session(&self, bidder: usize) -> Session {
        let (window_start, window_end) = (Time(self.start), Time(self.last + WINDOW_MS));
        Session { bidder, bid_count: self.count, window_start, window_end }
    }
}

/// Sessions by bidder. Those that have ended without a further bid are found once a gap.
pub fn q11(bids: &[Bid], emit: &mut impl FnMut(Session)) {
    let mut running: HashMap<usize, Running> = HashMap::new();
    let mut look_at = 0;
    for bid in bids {
        let now = bid.date_time;
        if now >= look_at {
            look_at = now + WINDOW_MS;
            running.extract_if(|_, r| now - r.last >= WINDOW_MS).for_each(|(bidder, r)| emit(r.session(bidder)));
        }
        let session = running.entry(bid.bidder).or_insert(Running { start: now, last: now, count: 0 });
        if now - session.last >= WINDOW_MS {
            emit(session.session(bid.bidder));
            *session = Running { start: now, last: now, count: 0 };
        }
        session.last = now;
        session.count += 1;
    }
    running.iter().for_each(|(bidder, r)| emit(r.session(*bidder)));
}

/// Bids by bidder, in windows of the clock.
pub fn q12(bids: &[Bid], emit: &mut impl FnMut(BidderCount)) {
    let mut counts: HashMap<usize, u64> = HashMap::new();
    let mut start = Instant::now();
    for bids in bids.chunks(BIDS_BETWEEN_CLOCKS) {
        if start.elapsed().as_millis() as u64 >= WINDOW_MS {
            start = Instant::now();
            counts.drain().for_each(|(bidder, bid_count)| emit(BidderCount { bidder, bid_count }));
        }
        bids.iter().for_each(|bid| *counts.entry(bid.bidder).or_default() += 1);
    }
    counts.into_iter().for_each(|(bidder, bid_count)| emit(BidderCount { bidder, bid_count }));
}

/// The bids of one rank.
#[derive(Default)]
struct Ranked {
    bids: u64,
    bidders: HashSet<usize>,
    auctions: HashSet<usize>,
}

impl Ranked {
    fn add(&mut self, bid: &Bid) {
        self.bids += 1;
        self.bidders.insert(bid.bidder);
        self.auctions.insert(bid.auction);
    }
}

/// Numbers of bids, bidders and auctions of each day.
pub fn q15(bids: &[Bid], emit: &mut impl FnMut(DayReport)) {
    let mut emit_day = |day: u64, [total, rank1, rank2, rank3]: &[Ranked; 4]| {
        emit(DayReport {
            window_start: Time(day * DAY_MS),
            total_bids: total.bids,
            rank1_bids: rank1.bids,
            rank2_bids: rank2.bids,
            rank3_bids: rank3.bids,
            total_bidders: total.bidders.len() as u64,
            rank1_bidders: rank1.bidders.len() as u64,
            rank2_bidders: rank2.bidders.len() as u64,
            rank3_bidders: rank3.bidders.len() as u64,
            total_auctions: total.auctions.len() as u64,
            rank1_auctions: rank1.auctions.len() as u64,
            rank2_auctions: rank2.auctions.len() as u64,
            rank3_auctions: rank3.auctions.len() as u64,
        });
    };
    let mut today: Option<u64> = None;
    let mut ranks: [Ranked; 4] = Default::default();
    for bid in bids {
        let day = bid.date_time / DAY_MS;
        if today != Some(day) {
            if let Some(today) = today {
                emit_day(today, &ranks);
            }
            (today, ranks) = (Some(day), Default::default());
        }
        let rank = match bid.price {
            0..10_000 => 1,
            10_000..1_000_000 => 2,
            _ => 3,
        };
        ranks[0].add(bid);
        ranks[rank].add(bid);
    }
    if let Some(today) = today {
        emit_day(today, &ranks);
    }
}
