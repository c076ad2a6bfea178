//! Which auctions and persons q3 joins.

use flowgate_sdk::Row;

/// Settings of `by_category`.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct CategoryConfig {
    /// The category whose auctions stay.
    pub category: i64,
}

/// What is read of an auction.
#[derive(Debug, Row)]
pub struct Auction {
    /// Its number.
    pub id: i64,
    /// Who sells.
    pub seller: i64,
    /// What kind of thing.
    pub category: i64,
}

/// An auction and who sells.
#[derive(Debug, Clone, PartialEq, Row)]
pub struct Sale {
    /// The auction's number.
    pub id: i64,
    /// Who sells.
    pub seller: i64,
}

/// Auctions of one category: number and seller.
#[flowgate_sdk::transform]
pub fn by_category(auction: Auction, config: &CategoryConfig) -> Option<Sale> {
    (auction.category == config.category).then_some(Sale { id: auction.id, seller: auction.seller })
}

/// Settings of `by_state`.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct StateConfig {
    /// The states whose people stay.
    pub states: Vec<String>,
}

/// What is read of a person.
#[derive(Debug, Row)]
pub struct Person<'a> {
    /// The person's number.
    pub id: i64,
    /// First and last name.
    pub name: &'a str,
    /// Where the person lives.
    pub city: &'a str,
    /// The state in which the city is.
    pub state: &'a str,
}

/// A person as a seller.
#[derive(Debug, Clone, PartialEq, Row)]
pub struct Seller<'a> {
    /// The person's number.
    pub seller: i64,
    /// First and last name.
    pub name: &'a str,
    /// Where the person lives.
    pub city: &'a str,
    /// The state in which the city is.
    pub state: &'a str,
}

/// People of some states.
#[flowgate_sdk::transform]
pub fn by_state<'a>(person: Person<'a>, config: &StateConfig) -> Option<Seller<'a>> {
    let Person { id, name, city, state } = person;
    config.states.iter().any(|wanted| wanted == state).then_some(Seller { seller: id, name, city, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::run;

    #[test]
    fn auctions_of_a_category() {
        let auctions = [(1, 10), (2, 11)].map(|(id, category)| Auction { id, seller: 7, category });
        let out = run::<by_category, _>(r#"{"category": 10}"#, auctions).unwrap();
        assert_eq!(out.rows::<Sale>(), [Sale { id: 1, seller: 7 }]);
    }

    #[test]
    fn people_of_states() {
        let people = ["or", "wa", "ca"].map(|state| Person { id: 1, name: "ann", city: "bend", state });
        let out = run::<by_state, _>(r#"{"states": ["or", "ca"]}"#, people).unwrap();
        assert_eq!(out.rows::<Seller>().iter().map(|row| row.state).collect::<Vec<_>>(), ["or", "ca"]);
    }
}
