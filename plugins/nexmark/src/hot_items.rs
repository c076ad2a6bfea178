//! The auctions with the most bids: q5.
//!
//! A group is a window; an accumulator has room for 8,000 auctions with the same number.

use flowgate_sdk::{Accumulator, Aggregate, Failure, Row, Timestamp};

/// The number of bids of an auction in a window.
#[derive(Debug, Clone, Row)]
pub struct Count {
    /// The number of the auction.
    pub auction: i64,
    /// Its bids.
    pub num: i64,
}

/// The auctions that have the greatest number, all of them where several have it.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Most {
    num: i64,
    auctions: Vec<i64>,
}

impl Most {
    #[inline(always)]
    fn add(&mut self, num: i64, auctions: &[i64]) {
        if num < self.num {
            return;
        }
        if num > self.num {
            self.num = num;
            self.auctions.clear();
        }
        self.auctions.extend_from_slice(auctions);
    }
}

impl Accumulator for Most {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let numbers = std::iter::once(&self.num).chain(&self.auctions);
        numbers.for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let mut numbers = numbers.iter().map(|number| i64::from_le_bytes(*number));
        Some(Most { num: numbers.next()?, auctions: numbers.collect() })
    }
}

/// The auctions with the greatest number of bids in a group, and that number.
#[flowgate_sdk::aggregate]
#[derive(Debug)]
pub struct Hottest;

/// The result of `Hottest`.
#[derive(Debug, Clone, PartialEq, Row)]
pub struct Group {
    /// The auctions' numbers, separated by commas.
    pub auctions: String,
    /// The number of bids of each.
    pub num: i64,
}

impl Aggregate for Hottest {
    type Row<'a> = Count;
    type Accumulator = Most;
    type Output = Group;

    #[inline(always)]
    fn update(&self, most: &mut Most, row: Count) -> Result<(), Failure> {
        most.add(row.num, &[row.auction]);
        Ok(())
    }

    fn merge(&self, left: &mut Most, right: Most) {
        left.add(right.num, &right.auctions);
    }

    fn finish(&self, most: Most) -> Group {
        let auctions: Vec<String> = most.auctions.iter().map(i64::to_string).collect();
        Group { auctions: auctions.join(","), num: most.num }
    }
}

/// The auctions of a window.
#[derive(Debug, Row)]
pub struct Window<'a> {
    /// The auctions' numbers, separated by commas.
    pub auctions: &'a str,
    /// The number of bids of each.
    pub num: i64,
    /// When the window ended.
    pub window_end: Timestamp,
}

/// One of the auctions.
#[derive(Debug, Clone, PartialEq, Row)]
pub struct HotItem {
    /// The number of the auction.
    pub auction: i64,
    /// The number of its bids.
    pub num: i64,
    /// When the window ended.
    pub window_end: Timestamp,
}

/// A row for each of the `auctions` that `hottest` returned.
#[flowgate_sdk::transform]
pub fn each_auction(window: Window) -> Result<Vec<HotItem>, Failure> {
    let Window { auctions, num, window_end } = window;
    let item = |auction: &str| Ok(HotItem { auction: auction.parse()?, num, window_end });
    auctions.split(',').map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::{aggregate, run};

    fn hottest(parts: &[&[(i64, i64)]]) -> Group {
        let parts = parts.iter().map(|part| part.iter().map(|(auction, num)| Count { auction: *auction, num: *num }));
        aggregate::<Hottest, _>("{}", parts).unwrap().row()
    }

    #[test]
    fn all_of_the_hottest_auctions_are_returned() {
        let group = hottest(&[&[(1, 3), (2, 5), (3, 4)], &[], &[(4, 5)], &[(5, 1)]]);
        assert_eq!(group, Group { auctions: "2,4".into(), num: 5 });
        let window_end = Timestamp::from_millis(2_000);
        let rows =
            run::<each_auction, _>("{}", [Window { auctions: &group.auctions, num: group.num, window_end }]).unwrap();
        assert_eq!(rows.rows::<HotItem>(), [2, 4].map(|auction| HotItem { auction, num: 5, window_end }));
    }
}
