//! The Nexmark queries of `examples/nexmark`, over generated events and over the same events from a file, against a naive model
//! that shares nothing with Flowgate: the same rows on one worker, two and four.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::sync::OnceLock;

use harness::{Flowgate, Folder, plugin, repository};
use nexmark::EventGenerator;
use nexmark::event::{Event, EventType};
use nexmark_models::events::config;
use nexmark_models::model::Tables;
use serde::Serialize;
use serde_json::{Map, Value, json};

const PARALLELISM: [&str; 3] = ["1", "2", "4"];

/// Ten seconds of events and some more: two windows, and auctions that are open at the end.
const EVENTS: usize = 110_000;

/// The time of the source's first event: 2026-01-01T00:00:00Z.
const BASE_TIME_MS: u64 = 1_767_225_600_000;

fn events() -> &'static [Event] {
    static EVENTS_MADE: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS_MADE.get_or_init(|| EventGenerator::new(config(BASE_TIME_MS)).take(EVENTS).collect())
}

type Row = Map<String, Value>;

/// Returns the rows that a query's job writes.
#[track_caller]
fn run(query: &str, parallelism: &str, settings: &[String]) -> Vec<Row> {
    plugin("nexmark");
    let folder = Folder::with_job("");
    let out = folder.join("out.jsonl");
    let job = repository().join(format!("examples/nexmark/{query}.yaml"));
    let out_path = format!("sinks.out.file.path={}", out.display());
    let mut arguments =
        vec!["run", job.to_str().expect("a path in UTF-8"), "-q", "-p", parallelism, "--set", &out_path];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    Flowgate::new(folder.path(), &arguments).env("EVENTS", EVENTS.to_string()).run().expect(0);
    let text = fs::read_to_string(&out).expect("the job writes its result");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Returns rows as sorted texts, with only the columns of `like`: a job may emit more.
fn sorted(rows: &[Row], like: &Row) -> Vec<String> {
    let cell = |row: &Row, name: &String| format!("{name}={} ", row.get(name).unwrap_or(&Value::Null));
    let mut rows: Vec<String> = rows.iter().map(|row| like.keys().map(|name| cell(row, name)).collect()).collect();
    rows.sort_unstable();
    rows
}

fn as_rows<R: Serialize>(rows: Vec<R>) -> Vec<Row> {
    let row = |row: R| match serde_json::to_value(row) {
        Ok(Value::Object(row)) => row,
        other => panic!("not a row: {other:?}"),
    };
    rows.into_iter().map(row).collect()
}

#[track_caller]
fn assert_same(what: &str, rows: &[Row], expected: &[Row]) {
    let like = expected.first().expect("the model returns rows");
    let (rows, expected) = (sorted(rows, like), sorted(expected, like));
    let differs = rows.iter().zip(&expected).find(|(row, expected)| row != expected);
    assert!(
        rows == expected,
        "{what}: {} rows, {} expected; the first that differ: {differs:#?}",
        rows.len(),
        expected.len()
    );
}

/// Checks that a query emits the model's rows, on any number of workers; perhaps with more columns.
#[track_caller]
fn assert_emits<R: Serialize>(query: &str, expected: Vec<R>) {
    assert_rows(query, &as_rows(expected), |_, _| ());
}

/// The same; with only those columns.
#[track_caller]
fn assert_emits_only<R: Serialize>(query: &str, expected: Vec<R>) {
    assert_rows(query, &as_rows(expected), |row, like| {
        let columns = |row: &Row| row.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(columns(row), columns(like), "columns of {query}");
    });
}

#[track_caller]
fn assert_rows(query: &str, expected: &[Row], check: impl Fn(&Row, &Row)) {
    for parallelism in PARALLELISM {
        let rows = run(query, parallelism, &[]);
        assert_same(&format!("{query} at parallelism {parallelism}"), &rows, expected);
        rows.iter().for_each(|row| check(row, &expected[0]));
    }
}

fn model() -> Tables<'static> {
    Tables::of(events())
}

#[test]
fn q0_passes_bids() {
    assert_emits("q0", model().q0());
}

#[test]
fn q1_converts_prices() {
    assert_emits_only("q1", model().q1());
}

#[test]
fn q2_selects_bids() {
    assert_emits("q2", model().q2());
}

#[test]
fn q3_joins_auctions_with_local_sellers() {
    assert_emits_only("q3", model().q3());
}

#[test]
fn q4_averages_winning_prices() {
    assert_emits("q4", model().q4());
}

#[test]
fn q5_finds_hot_items() {
    assert_emits("q5", model().q5());
}

/// One bid for each window: one of those with the highest price, where prices are equal.
#[test]
fn q7_finds_the_highest_bid() {
    let expected = as_rows(model().q7());
    let windows: BTreeSet<String> = expected.iter().map(|row| row["window_end"].to_string()).collect();
    for parallelism in PARALLELISM {
        let rows = run("q7", parallelism, &[]);
        let allowed = sorted(&expected, &expected[0]);
        for row in sorted(&rows, &expected[0]) {
            assert!(allowed.contains(&row), "parallelism {parallelism}: {row}, expected one of {allowed:#?}");
        }
        let emitted: Vec<String> = rows.iter().map(|row| row["window_end"].to_string()).collect();
        assert_eq!(emitted.len(), windows.len(), "parallelism {parallelism}");
        assert_eq!(emitted.into_iter().collect::<BTreeSet<_>>(), windows, "parallelism {parallelism}");
    }
}

#[test]
fn q8_finds_new_sellers() {
    assert_emits_only("q8", model().q8());
}

#[test]
fn q9_finds_winning_bids() {
    assert_emits("q9", model().q9());
}

#[test]
fn q11_counts_bids_of_sessions() {
    assert_emits("q11", model().q11());
}

/// The window of processing time of a bid depends on the clock: the sums of all windows are compared.
#[test]
fn q12_counts_all_bids_of_bidders() {
    for parallelism in PARALLELISM {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for row in run("q12", parallelism, &[]) {
            *counts.entry(row["bidder"].as_u64().unwrap()).or_default() += row["bid_count"].as_u64().unwrap();
        }
        let expected = model().q12();
        assert_eq!(counts.len(), expected.len(), "parallelism {parallelism}");
        assert!(expected.iter().all(|row| counts[&(row.bidder as u64)] == row.bid_count), "parallelism {parallelism}");
    }
}

#[test]
fn q14_calculates() {
    assert_emits_only("q14", model().q14());
}

#[test]
fn q15_reports_days() {
    assert_emits("q15", model().q15());
}

/// Returns an event as a line of JSON, as the generators of other systems write it.
fn json_line(event: &Event) -> Value {
    let time = |ms: u64| ms as i64;
    match event {
        Event::Person(p) => json!({ "Person": {
            "id": p.id, "name": p.name, "email_address": p.email_address, "credit_card": p.credit_card, "city": p.city,
            "state": p.state, "date_time": time(p.date_time), "extra": p.extra,
        } }),
        Event::Auction(a) => json!({ "Auction": {
            "id": a.id, "item_name": a.item_name, "description": a.description, "initial_bid": a.initial_bid,
            "reserve": a.reserve, "date_time": time(a.date_time), "expires": time(a.expires), "seller": a.seller,
            "category": a.category, "extra": a.extra,
        } }),
        Event::Bid(b) => json!({ "Bid": {
            "auction": b.auction, "bidder": b.bidder, "price": b.price, "channel": b.channel, "url": b.url,
            "date_time": time(b.date_time), "extra": b.extra,
        } }),
    }
}

/// Goal: recorded events can be replayed. Events from a file emit what the same generated events emit.
#[test]
fn events_from_a_file_emit_the_same() {
    let folder = Folder::with_job("");
    let mut lines = String::new();
    events().iter().for_each(|event| writeln!(lines, "{}", json_line(event)).unwrap());
    let path = folder.write("events.jsonl", lines);
    let source = |name: &str, table: EventType| {
        let table = format!("{table:?}").to_lowercase();
        format!("sources.{name}.nexmark={{ table: {table}, path: \"{}\" }}", path.display())
    };
    let (persons, auctions) = (source("persons", EventType::Person), source("auctions", EventType::Auction));
    let bids = source("bids", EventType::Bid);
    let cases = [
        ("q1", as_rows(model().q1()), vec![bids.clone()]),
        ("q3", as_rows(model().q3()), vec![persons, auctions.clone()]),
        ("q9", as_rows(model().q9()), vec![auctions, bids]),
    ];
    for (query, expected, settings) in cases {
        let rows = run(query, "2", &settings);
        assert_same(&format!("{query} from a file"), &rows, &expected);
    }
}
