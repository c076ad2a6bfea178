//! Queries over persons and auctions, or auctions and bids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::{HashMap, HashSet};
use nexmark::event::{Auction, Bid, Event, Person};

use crate::results::{CATEGORY, CategoryPrice, LocalItem, NewSeller, STATES, Time, WINDOW_MS, WinningBid};

/// Auctions of one category whose sellers live in some states. Either side may come first; both are kept.
pub fn q3<'a>(events: &'a [Event], emit: &mut impl FnMut(LocalItem<'a>)) {
    let mut persons: HashMap<usize, &'a Person> = HashMap::new();
    let mut auctions: HashMap<usize, Vec<usize>> = HashMap::new();
    let item = |person: &'a Person, id| {
        let Person { name, city, state, .. } = person;
        LocalItem { name, city, state, id }
    };
    for event in events {
        match event {
            Event::Person(person) if STATES.contains(&&*person.state) => {
                persons.insert(person.id, person);
                for id in auctions.get(&person.id).into_iter().flatten() {
                    emit(item(person, *id));
                }
            }
            Event::Auction(auction) if auction.category == CATEGORY => {
                auctions.entry(auction.seller).or_default().push(auction.id);
                if let Some(person) = persons.get(&auction.seller) {
                    emit(item(person, auction.id));
                }
            }
            _ => {}
        }
    }
}

/// Persons who opened an auction in the window in which they registered.
pub fn q8<'a>(events: &'a [Event], emit: &mut impl FnMut(NewSeller<'a>)) {
    let mut persons: HashMap<usize, &'a Person> = HashMap::new();
    let mut sellers: HashSet<usize> = HashSet::new();
    let mut end = 0;
    let mut emit_window = |persons: &mut HashMap<usize, &'a Person>, sellers: &mut HashSet<usize>| {
        for (id, person) in persons.drain().filter(|(id, _)| sellers.contains(id)) {
            emit(NewSeller { id, name: &person.name, date_time: Time(person.date_time) });
        }
        sellers.clear();
    };
    for event in events {
        if event.timestamp() >= end {
            emit_window(&mut persons, &mut sellers);
            end = (event.timestamp() / WINDOW_MS + 1) * WINDOW_MS;
        }
        match event {
            Event::Person(person) => _ = persons.insert(person.id, person),
            Event::Auction(auction) => _ = sellers.insert(auction.seller),
            Event::Bid(_) => {}
        }
    }
    emit_window(&mut persons, &mut sellers);
}

/// The mean of the winning prices by category, at the end.
pub fn q4(events: &[Event], emit: &mut impl FnMut(CategoryPrice)) {
    let mut categories: HashMap<usize, (u64, u64)> = HashMap::new();
    winners(events, |auction, bid| {
        let (sum, count) = categories.entry(auction.category).or_default();
        *sum += bid.price as u64;
        *count += 1;
    });
    for (category, (sum, count)) in categories {
        emit(CategoryPrice { category, price: sum as f64 / count as f64 });
    }
}

/// Each auction's winning bid, when the auction has ended.
pub fn q9<'a>(events: &'a [Event], emit: &mut impl FnMut(WinningBid<'a>)) {
    winners(events, |auction, bid| emit(WinningBid::of(auction, bid)));
}

/// Whether a bid wins against another: by price, then the earlier, then the bidder with the lower number.
fn beats(bid: &Bid, other: &Bid) -> bool {
    let rank = |bid: &Bid| (bid.price, Reverse(bid.date_time), Reverse(bid.bidder));
    bid.price >= other.price && rank(bid) > rank(other)
}

/// Calls `won` for each auction that had a bid in its time. Open auctions are in a map, and in a heap by their end.
fn winners<'a>(events: &'a [Event], mut won: impl FnMut(&'a Auction, &'a Bid)) {
    let mut running: HashMap<usize, (&'a Auction, Option<&'a Bid>)> = HashMap::new();
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    // Bids on auctions that may still arrive, within the same millisecond.
    let mut early: Vec<&'a Bid> = Vec::new();
    let mut now = 0;
    for event in events {
        if event.timestamp() > now {
            now = event.timestamp();
            early.clear();
            while let Some(Reverse((end, id))) = ends.peek().copied()
                && end < now
            {
                ends.pop();
                if let Some((auction, Some(bid))) = running.remove(&id) {
                    won(auction, bid);
                }
            }
        }
        match event {
            Event::Auction(auction) => {
                let mut best: Option<&Bid> = None;
                for bid in early.iter().filter(|bid| bid.auction == auction.id) {
                    if best.is_none_or(|best| beats(bid, best)) {
                        best = Some(bid);
                    }
                }
                running.insert(auction.id, (auction, best));
                ends.push(Reverse((auction.expires, auction.id)));
            }
            Event::Bid(bid) => match running.get_mut(&bid.auction) {
                Some((_, best)) => {
                    if best.is_none_or(|best| beats(bid, best)) {
                        *best = Some(bid);
                    }
                }
                None => early.push(bid),
            },
            Event::Person(_) => {}
        }
    }
    for (auction, best) in running.into_values() {
        best.into_iter().for_each(|bid| won(auction, bid));
    }
}
