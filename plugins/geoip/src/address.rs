//! The country of an address.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use flowgate_sdk::{Columns, Failure, FromConfig, Output, Row, files};

use crate::database::Database;
use crate::value::Malformed;

/// Settings of `country`.
#[flowgate_sdk::config]
#[derive(Debug, Clone, Default)]
pub struct CountryConfig {
    /// What happens to a text that is no address.
    #[serde(default)]
    pub invalid: Invalid,
}

/// What happens to a text that is no address.
#[flowgate_sdk::config]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Invalid {
    /// Its row goes to the operator's `errors`.
    #[default]
    Fail,
    /// It has no country.
    Null,
}

/// The address to look up.
#[derive(Debug, Row)]
pub struct Address<'a> {
    /// IPv4 or IPv6, as in `192.0.2.1` and `2001:db8::1`.
    pub address: &'a str,
}

/// The country of the address; the input's other columns are forwarded.
#[derive(Debug, PartialEq, Row)]
#[row(passthrough)]
pub struct Country<'a> {
    /// Two letters of ISO 3166-1.
    pub country: Option<&'a str>,
}

/// The granted database, and the countries that were read from it.
#[derive(Debug)]
pub struct Countries {
    database: Database,
    invalid: Invalid,
    /// Countries by the offset of their data: networks of a country share it, so that there are a few hundred.
    known: RefCell<BTreeMap<usize, Option<Box<str>>>>,
}

impl FromConfig for Countries {
    type Config = CountryConfig;

    fn from_config(config: CountryConfig) -> Result<Self, Failure> {
        let database = Database::new(files::read("database")?)?;
        Ok(Countries { database, invalid: config.invalid, known: RefCell::default() })
    }
}

impl Countries {
    /// Maximum countries that are kept: a damaged database may have different data for each address.
    const KNOWN_MAX: usize = 4_096;

    /// Calls `found` with the address's country.
    fn look_up<T>(&self, address: IpAddr, found: impl FnOnce(Option<&str>) -> T) -> Result<T, Malformed> {
        let Some(offset) = self.database.find(address) else { return Ok(found(None)) };
        let mut known = self.known.borrow_mut();
        if let Some(country) = known.get(&offset) {
            return Ok(found(country.as_deref()));
        }
        let country = self.database.country(offset)?;
        if known.len() < Self::KNOWN_MAX {
            known.insert(offset, country.map(Box::from));
        }
        Ok(found(country))
    }
}

/// Adds the column `country`: the ISO code of the country of `address`, by the granted file `database` (MaxMind DB format).
///
/// No value where the database does not know a country. A text that is no address fails its row, or has no country
/// (`invalid: "null"`).
#[flowgate_sdk::transform(columns)]
pub fn country<'a>(rows: Columns<'a, Address<'a>>, countries: &Countries, out: &mut Output<Country<'a>>) {
    for (row, text) in rows.address.iter().enumerate() {
        let failure = match text.parse() {
            Ok(address) => match countries.look_up(address, |country| out.columns.country.push(country)) {
                Ok(()) => None,
                Err(malformed) => Some(Failure::from(malformed)),
            },
            Err(_) if countries.invalid == Invalid::Null => {
                out.columns.country.push_none();
                None
            }
            Err(_) => {
                let shown: String = text.chars().take(60).collect();
                Some(Failure::new(format!("`{shown}` is no IP address, like 192.0.2.1 or 2001:db8::1")))
            }
        };
        match failure {
            None => out.select(row),
            Some(failure) => out.fail(row, failure),
        }
    }
}
