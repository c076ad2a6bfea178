//! The filters of auctions and persons for q3.

use flowgate_sdk::{Columns, Output, Row};

/// Settings of `by_category`.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct CategoryConfig {
    /// The category of the auctions that are kept.
    pub category: i64,
}

/// The columns of an auction that are read.
#[derive(Debug, Row)]
pub struct Auction {
    /// The kind of thing.
    pub category: i64,
}

/// Auctions of one category.
#[flowgate_sdk::transform(columns)]
pub fn by_category(auctions: Columns<'_, Auction>, config: &CategoryConfig, out: &mut Output<()>) {
    for (row, category) in auctions.category.iter().enumerate() {
        if *category == config.category {
            out.select(row);
        }
    }
}

/// Settings of `by_state`.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct StateConfig {
    /// The states of the people who are kept.
    pub states: Vec<String>,
}

/// The columns of a person that are read.
#[derive(Debug, Row)]
pub struct Person<'a> {
    /// The state in which the person lives.
    pub state: &'a str,
}

/// People of some states.
#[flowgate_sdk::transform(columns)]
pub fn by_state<'a>(people: Columns<'a, Person<'a>>, config: &StateConfig, out: &mut Output<()>) {
    for (row, state) in people.state.iter().enumerate() {
        if config.states.iter().any(|wanted| wanted == state) {
            out.select(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::run;

    #[test]
    fn auctions_of_a_category() {
        let auctions = [10, 11, 10].map(|category| Auction { category });
        let out = run::<by_category, _>(r#"{"category": 10}"#, auctions).unwrap();
        assert_eq!(out.selection(), [0, 2]);
    }

    #[test]
    fn people_of_states() {
        let people = ["or", "wa", "ca"].map(|state| Person { state });
        let out = run::<by_state, _>(r#"{"states": ["or", "ca"]}"#, people).unwrap();
        assert_eq!(out.selection(), [0, 2]);
    }
}
