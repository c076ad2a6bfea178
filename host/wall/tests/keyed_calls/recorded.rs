//! Calls of process functions that are recorded and made again.

use std::sync::Mutex;

use flowgate_wall::{Given, KeptValue, RecordLog, RecordedCall, Repeated};

use super::*;

/// Keeps what is recorded, one call for each reason.
#[derive(Default)]
struct Recorded(Mutex<Vec<RecordedCall>>);

impl RecordLog for Recorded {
    fn has_room(&self, operator: &str, reason: &str) -> bool {
        let calls = self.0.lock().unwrap();
        !calls.iter().any(|call| call.operator == operator && call.reason == reason)
    }

    fn take(&self, call: RecordedCall) {
        self.0.lock().unwrap().push(call);
    }
}

impl Recorded {
    /// The only call, as it is behind a file.
    fn only(&self) -> RecordedCall {
        let calls = self.0.lock().unwrap();
        let [call] = &calls[..] else { panic!("{calls:?}") };
        RecordedCall::of_text(&call.to_text().unwrap()).unwrap()
    }
}

fn recorded(lines: &str) -> (Guest, Arc<Recorded>) {
    let log = Arc::new(Recorded::default());
    let settings = Settings {
        compile_in: CompileIn::ThisProcess,
        cache: None,
        records: Some(Arc::<Recorded>::clone(&log)),
        ..Settings::new(Limits { deadline_ms: 60_000, ..Limits::default() })
    };
    (Guest::with(settings, lines), log)
}

fn numbers(column: &ArrayRef) -> Vec<i64> {
    column.as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
}

fn elements(values: &[i64]) -> KeptValue {
    KeptValue::List(values.iter().map(|value| value.to_le_bytes().to_vec()).collect())
}

/// Goal: the record has the row at fault alone, and what its key had before. Method: 200 rows of four keys, one of which traps.
#[test]
fn the_row_at_fault_is_recorded_with_the_state_of_its_key_and_traps_again() {
    let (mut guest, log) = recorded(&appending(13));
    guest.batch(&[1, 2, 3, 4]);
    let mut rows: Vec<i64> = (100..300).collect();
    rows[102] = 13;
    let failed = guest.batch(&rows).failures;
    assert_eq!(failed.len(), 1);
    let call = log.only();
    assert_eq!((call.reason.as_str(), call.function.as_str()), (failed[0].message.as_str(), "f"));
    let Given::Batch { rows, key_of_row, keys, state, .. } = &call.given else { panic!("{call:?}") };
    assert_eq!((rows.count, &key_of_row[..], keys.count), (1, &[0][..], 1));
    assert_eq!((numbers(&rows.columns[0]), numbers(&keys.columns[0])), (vec![13], vec![2]));
    // What the key's rows in front of it have appended.
    let before: Vec<i64> = [3].into_iter().chain((102..202).step_by(4)).collect();
    assert_eq!(state.slots()[2], [elements(&before)]);

    let (mut again, _log) = recorded(&appending(13));
    let Repeated::Keyed(answer, after) = again.function.repeat(&call).unwrap().unwrap() else { panic!() };
    assert_eq!(answer.failures[0].message, call.reason);
    assert_eq!(after.slots(), state.slots(), "a call that traps writes nothing");

    let (mut mended, log) = recorded(&appending(-1));
    let Repeated::Keyed(answer, after) = mended.function.repeat(&call).unwrap().unwrap() else { panic!() };
    assert!(answer.failures.is_empty(), "{answer:?}");
    assert_eq!(after.slots()[2], [elements(&[&before[..], &[13]].concat())]);
    assert!(log.0.lock().unwrap().is_empty());
}

#[test]
fn a_call_that_traps_over_all_rows_only_is_recorded_whole() {
    // Traps on more than one row.
    let (mut guest, log) = recorded(&doing("(if (i32.gt_u (local.get $rows) (i32.const 1)) (then unreachable))"));
    assert!(guest.batch(&[1, 2, 3]).failures.is_empty(), "each row by itself is answered");
    let Given::Batch { rows, .. } = log.only().given else { panic!() };
    // 3 rows, then the second half: 2 of them.
    assert_eq!(rows.count, 2);
}

#[test]
fn a_version_with_other_slots_does_not_fit() {
    let (mut guest, log) = recorded(&appending(13));
    guest.batch(&[13]);
    let mut call = log.only();
    call.slots[2].version = 7;
    let (mut other, _log) = recorded(&appending(13));
    let error = other.function.repeat(&call).unwrap_err();
    assert!(error.contains("slot `l` is a list of version 1; the recorded one is a list of version 7"), "{error}");
}

#[test]
fn what_is_no_record_is_refused_with_a_reason() {
    let wrong = |text: &str| RecordedCall::of_text(text.as_bytes()).unwrap_err();
    assert!(wrong("rows").contains("no recorded call"));
    assert!(wrong("{}").contains("it has no `format`"));
    assert!(
        wrong("{\"format\": \"flowgate recorded call 9\"}").contains("this program reads `flowgate recorded call 1`")
    );
    let (mut guest, log) = recorded(&appending(13));
    guest.batch(&[13]);
    let text = String::from_utf8(log.only().to_text().unwrap()).unwrap();
    let no_rows = text.replacen("\"count\": 1", "\"count\": 2", 1);
    assert!(wrong(&no_rows).contains("its rows are 1"), "{}", wrong(&no_rows));
    let no_keys = text.replacen("\"keys\": 4", "\"keys\": 5", 1);
    assert!(wrong(&no_keys).contains("instead of 5"), "{}", wrong(&no_keys));
}
