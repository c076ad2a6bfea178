//! State of older versions, through the harness: what the attribute `migrate` makes of it.

use crate::column::batch::VarValues;
use crate::testing::ProcessHarness;
use crate::{Context, Failure, List, Map, Process, Row, State, StateValue, Value};

#[derive(Row)]
struct Visit {
    page: String,
}

/// As version 1 of `last` had it.
#[derive(StateValue)]
struct OldPage {
    page: String,
}

#[derive(StateValue, Debug, PartialEq)]
struct Page {
    page: String,
    visits: u64,
}

#[derive(State)]
struct Pages {
    #[state(version = 4, migrate(1 = with_visits, 3 = parsed))]
    last: Value<Page>,
    #[state(name = "seen", version = 2, migrate(1 = <u64 as From<u32>>::from))]
    pages: Map<String, u64>,
    #[state(version = 2, migrate(1 = seconds))]
    latencies: List<f64>,
    other: Value<bool>,
}

fn with_visits(old: OldPage) -> Page {
    Page { page: old.page, visits: 1 }
}

fn parsed(old: (String, String)) -> Result<Page, Failure> {
    Ok(Page { page: old.0, visits: old.1.parse()? })
}

fn seconds(millis: i64) -> Result<f64, Failure> {
    if millis < 0 { Err(Failure::new("a negative latency")) } else { Ok(millis as f64 / 1_000.0) }
}

#[crate::config]
struct Count;

#[crate::process]
impl Process for Count {
    type Row<'a> = Visit;
    type State = Pages;

    fn on_row(&self, row: Visit, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        ctx.state.last.set(Page { page: row.page, visits: 1 });
        Ok(())
    }
}

fn migrated<Old: StateValue, New: StateValue>(slot: &str, version: u32, old: Old) -> Result<New, String> {
    ProcessHarness::<Count>::migrate(slot, version, &old)
}

#[test]
fn every_kind_of_slot_migrates_each_older_version() {
    let page = |page: &str, visits| Ok(Page { page: page.into(), visits });
    assert_eq!(migrated("last", 1, OldPage { page: "a".into() }), page("a", 1));
    assert_eq!(migrated("last", 3, ("b".to_string(), "7".to_string())), page("b", 7));
    assert_eq!(migrated("seen", 1, 9_u32), Ok(9_u64));
    assert_eq!(migrated("latencies", 1, 1_500_i64), Ok(1.5));
}

#[test]
fn a_value_may_fail() {
    assert_eq!(migrated::<_, f64>("latencies", 1, -1_i64), Err("a negative latency".into()));
    let failed = migrated::<_, Page>("last", 3, ("b".to_string(), "many".to_string()));
    assert_eq!(failed, Err("invalid digit found in string".into()));
}

#[test]
fn bytes_of_another_type_are_not_migrated() {
    let failed = migrated::<_, u64>("seen", 1, 9_u64);
    let why = "the stored value of `seen` is not of the type that the migration of version 1 reads";
    assert_eq!(failed, Err(why.into()));
}

#[test]
fn a_version_or_slot_without_a_function_says_so() {
    let failed = migrated::<_, Page>("last", 2, 1_u32).unwrap_err();
    assert_eq!(failed, "`last` has version 4 here, and no `migrate(2 = ...)` for values of version 2");
    let failed = migrated::<_, bool>("other", 0, true).unwrap_err();
    assert_eq!(failed, "`other` has version 1 here, and no `migrate(0 = ...)` for values of version 0");
    assert_eq!(migrated::<_, bool>("pages", 1, true).unwrap_err(), "the function has no state slot `pages`");
}

#[test]
fn several_values_keep_their_order() {
    let mut values = VarValues::with_capacity(3, 12);
    for number in [3_u32, 1, 2] {
        number.encode(&mut values.data);
        values.end_value();
    }
    let migrated = Pages::migrate("seen", 1, &values).unwrap();
    let numbers: Vec<Option<u64>> = migrated.iter().map(|mut bytes| u64::decode(&mut bytes)).collect();
    assert_eq!(numbers, [Some(3), Some(1), Some(2)]);
}

#[test]
fn only_state_with_the_attribute_migrates() {
    #[derive(State)]
    struct Same {
        _last: Value<Page>,
    }
    assert_eq!([Pages::MIGRATES, Same::MIGRATES, <() as State>::MIGRATES], [true, false, false]);
}
