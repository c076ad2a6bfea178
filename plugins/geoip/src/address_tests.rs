//! Countries by made-up databases, against a search through the list of networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flowgate_sdk::testing::{self, Host};
use proptest::prelude::*;

use crate::address::{Address, Country, country};
use crate::database::Database;
use crate::synthetic::{Network, database};

fn networks<'a>(list: &[(&str, Option<&'a str>)]) -> Vec<Network<'a>> {
    let network = |(text, country): &(&str, Option<&'a str>)| {
        let (address, prefix) = text.split_once('/').unwrap();
        (address.parse().unwrap(), prefix.parse().unwrap(), *country)
    };
    list.iter().map(network).collect()
}

fn some_networks() -> Vec<Network<'static>> {
    networks(&[
        ("192.0.2.0/24", Some("DE")),
        ("192.0.2.128/25", Some("FR")),
        ("198.51.100.7/32", Some("JP")),
        ("203.0.113.0/24", None),
        ("2001:db8::/32", Some("DE")),
        ("2001:db8:1::/48", Some("US")),
    ])
}

/// Returns the countries of these texts; `None` for a text without one.
fn countries(config: &str, file: Vec<u8>, texts: &[&str]) -> Vec<(u32, Option<String>)> {
    let _host = Host::new().file("database", file).install();
    let out = testing::run::<country, _>(config, texts.iter().map(|address| Address { address })).unwrap();
    let found = out.rows::<Country>().into_iter().map(|row| row.country.map(String::from));
    out.selection().iter().copied().zip(found).collect()
}

#[test]
fn addresses_of_both_kinds() {
    let file = database(&some_networks(), 24, true);
    let texts = [
        ("192.0.2.1", Some("DE")),
        ("192.0.2.200", Some("FR")),
        ("::ffff:192.0.2.200", Some("FR")),
        ("198.51.100.7", Some("JP")),
        ("198.51.100.8", None),
        ("203.0.113.1", None),
        ("2001:db8::1", Some("DE")),
        ("2001:DB8:1::1", Some("US")),
        ("::1", None),
    ];
    let found = countries("{}", file, &texts.map(|(text, _)| text));
    let expected: Vec<_> = (0..).zip(texts.map(|(_, country)| country.map(String::from))).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_text_that_is_no_address_fails_or_has_no_country() {
    let file = database(&some_networks(), 24, true);
    let texts = ["192.0.2.1", "example.org", "", "192.0.2.1:80"];
    let _host = Host::new().file("database", file.clone()).install();
    let out = testing::run::<country, _>("{}", texts.map(|address| Address { address })).unwrap();
    assert_eq!(out.selection(), [0]);
    let failed: Vec<u32> = out.failures().iter().map(|(row, _)| *row).collect();
    assert_eq!(failed, [1, 2, 3]);
    assert_eq!(out.failures()[0].1, "`example.org` is no IP address, like 192.0.2.1 or 2001:db8::1");
    let found = countries(r#"{"invalid": "null"}"#, file, &texts);
    assert_eq!(found, [(0, Some("DE".into())), (1, None), (2, None), (3, None)]);
}

#[test]
fn what_is_no_database_is_said_before_the_job_starts() {
    let good = database(&some_networks(), 28, true);
    let marker = good.windows(3).rposition(|w| w == b"\xab\xcd\xef").unwrap();
    let metadata_only = good[marker..].to_vec();
    let mut version_3 = good.clone();
    let version = version_3.windows(7).rposition(|w| w == b"version").unwrap();
    // The last `version` is that of IP, whose number is behind a control byte.
    version_3[version + 8] = 3;
    for (file, part) in [
        (Some(b"PK".to_vec()), "the file `database` is no MaxMind DB"),
        (Some(Vec::new()), "the file `database` is no MaxMind DB"),
        (Some(metadata_only), "the database is damaged: its tree would need"),
        (Some(version_3), "the database has IP version 3; 4 and 6 are known"),
        (None, "file `database`: the job grants no such file"),
    ] {
        let host = file.into_iter().fold(Host::new(), |host, file| host.file("database", file));
        let _host = host.install();
        let problems = testing::run::<country, _>("{}", [Address { address: "" }]).unwrap_err();
        assert!(problems[0].contains(part), "{problems:?}");
    }
}

/// Returns the country by the list: the last network that contains the address.
fn naive<'a>(networks: &[Network<'a>], address: IpAddr) -> Option<&'a str> {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let has = |(network, prefix, _): &&Network<'a>| {
        let all = if network.is_ipv4() { 32 } else { 128 };
        network.is_ipv4() == address.is_ipv4()
            && (bits(*network) ^ bits(address)).checked_shr(all - prefix).unwrap_or(0) == 0
    };
    networks.iter().rfind(has).and_then(|(_, _, country)| *country)
}

fn any_v4() -> impl Strategy<Value = IpAddr> {
    // Few different bits, so that addresses are in networks.
    (0u32..8, 0u32..8).prop_map(|(high, low)| Ipv4Addr::from_bits(high << 29 | low).into())
}

fn any_v6() -> impl Strategy<Value = IpAddr> {
    (1u128..8, 0u128..8).prop_map(|(high, low)| Ipv6Addr::from_bits(high << 125 | low).into())
}

fn any_networks(v6: bool) -> impl Strategy<Value = Vec<Network<'static>>> {
    let country = prop::sample::select(vec![Some("AA"), Some("BB"), Some("CC"), None]);
    let v4 = (any_v4(), 1u32..=32);
    let address = if v6 { prop_oneof![v4, (any_v6(), 1u32..=128)].boxed() } else { v4.boxed() };
    let network = (address, country).prop_map(|((address, prefix), country)| (address, prefix, country));
    // Wider networks first: later ones are within earlier ones, or disjoint.
    prop::collection::vec(network, 0..12).prop_map(|mut networks| {
        networks.sort_by_key(|(_, prefix, _)| *prefix);
        networks
    })
}

/// Whether no network of IPv6 begins with zeros: it would contain all of IPv4.
fn apart(networks: &[Network<'_>]) -> bool {
    networks.iter().all(|(address, prefix, _)| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => v6.to_bits() >> (128 - prefix) != 0,
    })
}

proptest! {
    #[test]
    fn as_a_search_through_the_list(
        networks in any_networks(true).prop_filter("apart", |n| apart(n)),
        v4 in prop::collection::vec(any_v4(), 1..30),
        v6 in prop::collection::vec(any_v6(), 1..30),
        record_bits in prop::sample::select(vec![24usize, 28, 32]),
    ) {
        let database = Database::new(database(&networks, record_bits, true)).unwrap();
        for address in v4.into_iter().chain(v6) {
            let found = database.find(address).and_then(|offset| database.country(offset).unwrap());
            prop_assert_eq!(found, naive(&networks, address), "{}", address);
        }
    }

    #[test]
    fn a_database_of_ipv4_alone(networks in any_networks(false), addresses in prop::collection::vec(any_v4(), 1..30)) {
        let database = Database::new(database(&networks, 24, false)).unwrap();
        for address in addresses {
            let found = database.find(address).and_then(|offset| database.country(offset).unwrap());
            prop_assert_eq!(found, naive(&networks, address));
        }
        prop_assert_eq!(database.find("2001:db8::1".parse().unwrap()), None);
    }

    /// Goal: whatever is damaged, nothing panics and everything ends.
    #[test]
    fn damage_is_an_error_at_worst(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), cut in any::<prop::sample::Index>()) {
        let mut file = database(&some_networks(), 28, true);
        for (place, byte) in damage {
            let place = place.index(file.len());
            file[place] = byte;
        }
        let cut = cut.index(file.len());
        for file in [file.clone(), file[cut..].to_vec()] {
            let Ok(database) = Database::new(file) else { continue };
            for address in ["192.0.2.1", "192.0.2.200", "198.51.100.7", "2001:db8:1::1", "::"] {
                if let Some(offset) = database.find(address.parse().unwrap()) {
                    let _ = database.country(offset);
                }
            }
        }
    }
}
