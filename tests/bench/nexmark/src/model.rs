//! The definition of each query: plain loops over all events, written to be read. Nothing here is fast, incremental or ordered,
//! and nothing is shared with the plugin or with the loops of [`native`](crate::native).

use std::collections::{BTreeMap, BTreeSet};

use nexmark::event::{Auction, Bid, Event, Person};

use crate::results::*;

/// The tables of a list of events.
#[derive(Debug, Default)]
pub struct Tables<'a> {
    persons: Vec<&'a Person>,
    auctions: Vec<&'a Auction>,
    bids: Vec<&'a Bid>,
}

impl<'a> Tables<'a> {
    /// Sorts events into tables.
    pub fn of(events: &'a [Event]) -> Self {
        let mut tables = Tables::default();
        for event in events {
            match event {
                Event::Person(person) => tables.persons.push(person),
                Event::Auction(auction) => tables.auctions.push(auction),
                Event::Bid(bid) => tables.bids.push(bid),
            }
        }
        tables
    }

    /// All bids.
    pub fn q0(&self) -> Vec<PassedBid<'a>> {
        self.bids.iter().map(|bid| PassedBid::of(bid)).collect()
    }

    /// All bids, in another currency.
    pub fn q1(&self) -> Vec<ConvertedBid<'a>> {
        self.bids.iter().map(|bid| ConvertedBid::of(bid)).collect()
    }

    /// Bids on every 123rd auction.
    pub fn q2(&self) -> Vec<SelectedBid> {
        let selected = self.bids.iter().filter(|bid| bid.auction.is_multiple_of(123));
        selected.map(|bid| SelectedBid { auction: bid.auction, price: bid.price }).collect()
    }

    /// Auctions of the category 10 whose sellers live in three states.
    pub fn q3(&self) -> Vec<LocalItem<'a>> {
        let mut items = Vec::new();
        for person in self.persons.iter().filter(|person| STATES.contains(&&*person.state)) {
            for auction in &self.auctions {
                if auction.seller == person.id && auction.category == CATEGORY {
                    let Person { name, city, state, .. } = person;
                    items.push(LocalItem { name, city, state, id: auction.id });
                }
            }
        }
        items
    }

    /// By category, the mean of the highest bids within each auction's time.
    pub fn q4(&self) -> Vec<CategoryPrice> {
        let mut prices: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (auction, bid) in self.winners() {
            prices.entry(auction.category).or_default().push(bid.price);
        }
        let mean = |prices: &Vec<usize>| prices.iter().sum::<usize>() as f64 / prices.len() as f64;
        prices.iter().map(|(category, prices)| CategoryPrice { category: *category, price: mean(prices) }).collect()
    }

    /// For the window that ends at each multiple of the slide: all auctions that had the greatest number of bids.
    pub fn q5(&self) -> Vec<HotItem> {
        let mut windows: BTreeMap<u64, BTreeMap<usize, u64>> = BTreeMap::new();
        for bid in &self.bids {
            let first_end = (bid.date_time / SLIDE_MS + 1) * SLIDE_MS;
            for end in (first_end..=bid.date_time + WINDOW_MS).step_by(SLIDE_MS as usize) {
                *windows.entry(end).or_default().entry(bid.auction).or_default() += 1;
            }
        }
        let mut items = Vec::new();
        for (end, counts) in windows {
            let most = counts.values().copied().max().unwrap_or(0);
            let hot = counts.into_iter().filter(|(_, num)| *num == most);
            items.extend(hot.map(|(auction, num)| HotItem { auction, num, window_end: Time(end) }));
        }
        items
    }

    /// The highest bids of each window; more than one where prices are equal.
    pub fn q7(&self) -> Vec<HighestBid<'a>> {
        let mut windows: BTreeMap<Time, Vec<&'a Bid>> = BTreeMap::new();
        for bid in &self.bids {
            windows.entry(window(bid.date_time, WINDOW_MS).0).or_default().push(bid);
        }
        let mut highest = Vec::new();
        for bids in windows.values() {
            let price = bids.iter().map(|bid| bid.price).max();
            highest.extend(bids.iter().filter(|bid| Some(bid.price) == price).map(|bid| HighestBid::of(bid)));
        }
        highest
    }

    /// Persons who opened an auction in the window in which they registered.
    pub fn q8(&self) -> Vec<NewSeller<'a>> {
        let sellers: BTreeSet<(Time, usize)> =
            self.auctions.iter().map(|auction| (window(auction.date_time, WINDOW_MS).0, auction.seller)).collect();
        let mut new = Vec::new();
        for person in &self.persons {
            let window_start = window(person.date_time, WINDOW_MS).0;
            if sellers.contains(&(window_start, person.id)) {
                new.push(NewSeller { id: person.id, name: &person.name, date_time: Time(person.date_time) });
            }
        }
        new
    }

    /// Each auction that had a bid, with the bid that won it.
    pub fn q9(&self) -> Vec<WinningBid<'a>> {
        self.winners().into_iter().map(|(auction, bid)| WinningBid::of(auction, bid)).collect()
    }

    /// The highest of the bids within an auction's time; of equal ones the earliest, and of those the one of the bidder with the
    /// lowest number.
    fn winners(&self) -> Vec<(&'a Auction, &'a Bid)> {
        let mut by_auction: BTreeMap<usize, Vec<&'a Bid>> = BTreeMap::new();
        for bid in &self.bids {
            by_auction.entry(bid.auction).or_default().push(bid);
        }
        let mut winners = Vec::new();
        for auction in &self.auctions {
            let bids = by_auction.get(&auction.id).into_iter().flatten();
            let in_time = bids.filter(|bid| (auction.date_time..=auction.expires).contains(&bid.date_time));
            let rank = |bid: &&&Bid| (std::cmp::Reverse(bid.price), bid.date_time, bid.bidder);
            winners.extend(in_time.min_by_key(rank).map(|bid| (*auction, *bid)));
        }
        winners
    }

    /// Each bidder's bids between pauses of ten seconds.
    pub fn q11(&self) -> Vec<Session> {
        let mut bidders: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for bid in &self.bids {
            bidders.entry(bid.bidder).or_default().push(bid.date_time);
        }
        let mut sessions = Vec::new();
        for (bidder, mut times) in bidders {
            times.sort_unstable();
            for times in times.chunk_by(|before, after| after - before < WINDOW_MS) {
                sessions.push(Session {
                    bidder,
                    bid_count: times.len() as u64,
                    window_start: Time(times[0]),
                    window_end: Time(times[times.len() - 1] + WINDOW_MS),
                });
            }
        }
        sessions
    }

    /// The number of bids of each bidder: the sum over all windows, which depend on the clock.
    pub fn q12(&self) -> Vec<BidderCount> {
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        self.bids.iter().for_each(|bid| *counts.entry(bid.bidder).or_default() += 1);
        counts.into_iter().map(|(bidder, bid_count)| BidderCount { bidder, bid_count }).collect()
    }

    /// Bids between one million and fifty million in the other currency, with the time of day and the number of `c` in `extra`.
    pub fn q14(&self) -> Vec<CalculatedBid<'a>> {
        let mut calculated = Vec::new();
        for bid in &self.bids {
            let price = bid.price as f64 * RATE;
            if price > 1_000_000.0 && price < 50_000_000.0 {
                let bid_time_type = match bid.date_time / 3_600_000 % 24 {
                    8..=18 => "dayTime",
                    0..=6 | 20.. => "nightTime",
                    _ => "otherTime",
                };
                let c_counts = bid.extra.chars().filter(|c| *c == 'c').count() as u64;
                let Bid { auction, bidder, date_time, extra, .. } = bid;
                let (auction, bidder, date_time) = (*auction, *bidder, Time(*date_time));
                calculated.push(CalculatedBid { auction, bidder, price, bid_time_type, date_time, extra, c_counts });
            }
        }
        calculated
    }

    /// For each day, bids, bidders and auctions: all, and those of prices below 10,000, below 1,000,000, and above.
    pub fn q15(&self) -> Vec<DayReport> {
        let mut days: BTreeMap<Time, Vec<&Bid>> = BTreeMap::new();
        for bid in &self.bids {
            days.entry(window(bid.date_time, DAY_MS).0).or_default().push(bid);
        }
        let mut reports = Vec::new();
        for (day, bids) in days {
            let bids_of = |prices: std::ops::Range<usize>| {
                let bids: Vec<_> = bids.iter().filter(|bid| prices.contains(&bid.price)).collect();
                let bidders: BTreeSet<usize> = bids.iter().map(|bid| bid.bidder).collect();
                let auctions: BTreeSet<usize> = bids.iter().map(|bid| bid.auction).collect();
                [bids.len() as u64, bidders.len() as u64, auctions.len() as u64]
            };
            let [total_bids, total_bidders, total_auctions] = bids_of(0..usize::MAX);
            let [rank1_bids, rank1_bidders, rank1_auctions] = bids_of(0..10_000);
            let [rank2_bids, rank2_bidders, rank2_auctions] = bids_of(10_000..1_000_000);
            let [rank3_bids, rank3_bidders, rank3_auctions] = bids_of(1_000_000..usize::MAX);
            reports.push(DayReport {
                window_start: day,
                total_bids,
                rank1_bids,
                rank2_bids,
                rank3_bids,
                total_bidders,
                rank1_bidders,
                rank2_bidders,
                rank3_bidders,
                total_auctions,
                rank1_auctions,
                rank2_auctions,
                rank3_auctions,
            });
        }
        reports
    }
}
