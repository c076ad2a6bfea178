//! Values of older versions of state, in the hands of plugins that do not keep to the contract.

use std::time::Instant;

use arrow_array::BinaryArray;
use flowgate_wall::Migrated;

use super::*;

fn opened(wasm: &[u8], limits: Limits) -> (Plugins, Function) {
    let plugins = Plugins::with(settings(limits)).unwrap();
    let plugin = load_bytes(&plugins, wasm).unwrap();
    let function = open(&plugin).unwrap();
    (plugins, function)
}

/// Migrates values with a plugin that does to each what its letter says.
fn by_letter(values: &[&str]) -> Migrated {
    let wasm = flowgate_hostile::migrating_plugin(&flowgate_hostile::lines("migrates_by_letter"));
    let (plugins, mut function) = opened(&wasm, limits());
    let migrated = function.migrate("v", 1, &values.iter().map(|value| Some(value.as_bytes())).collect()).unwrap();
    assert_eq!(migrated.values.len(), values.len());
    for (position, value) in (0..).zip(migrated.values.iter()) {
        let has_failed = migrated.failures.iter().any(|(failed, _)| *failed == position);
        assert_eq!(value, (!has_failed).then(|| values[position as usize].as_bytes()), "value {position}");
    }
    assert_host_is_well(&plugins);
    migrated
}

#[test]
fn a_plugin_without_the_export_does_not_migrate() {
    let (plugins, mut function) = opened(&flowgate_hostile::process_plugin(""), limits());
    assert!(!function.migrates());
    let error = function.migrate("v", 1, &BinaryArray::from(vec![&b"a"[..]])).unwrap_err();
    assert_eq!(
        error.message,
        "function `f` cannot migrate the slot `v`: the plugin does not export `migrate`, which reads the state of older \
         versions"
    );
    assert_host_is_well(&plugins);
}

#[test]
fn every_value_comes_back_from_as_many_calls_as_it_takes() {
    let small = Limits { migrated_values_max: 3, input_bytes_max: 10, ..limits() };
    let (plugins, mut function) = opened(&flowgate_hostile::migrating_plugin(""), small);
    assert!(function.migrates());
    let values: Vec<Vec<u8>> = (0..40_usize).map(|i| vec![i as u8; (i * 7) % 13]).collect();
    let values: BinaryArray = values.iter().map(Some).collect();
    let slice = values.slice(5, 30);
    let migrated = function.migrate("v", 1, &slice).unwrap();
    assert_eq!((migrated.values, migrated.failures), (slice, vec![]));
    let none = function.migrate("v", 1, &values.slice(2, 0)).unwrap();
    assert_eq!((none.values.len(), none.failures.len()), (0, 0));
    assert_host_is_well(&plugins);
}

#[test]
fn an_error_of_the_call_is_that_of_one_value() {
    let failures = by_letter(&["a", "", "F", "b", "F"]).failures;
    assert_eq!(failures, [(2, "no F, please".to_string()), (4, "no F, please".to_string())]);
}

#[test]
fn a_value_that_traps_fails_alone() {
    let failures = by_letter(&["a", "b", "T", "c", "F", "d"]).failures;
    assert_eq!(failures.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [2, 4]);
    assert!(failures[0].1.starts_with("trapped: "), "{failures:?}");
}

#[test]
fn a_value_that_loops_fails_at_the_deadline() {
    let start = Instant::now();
    let failures = by_letter(&["a", "L", "b"]).failures;
    assert_eq!(failures, [(1, "did not finish within 200ms".to_string())]);
    assert!(start.elapsed() < 20 * DEADLINE);
}

#[test]
fn another_number_of_values_and_wrong_offsets_are_no_answer() {
    let failures = by_letter(&["a", "C", "b", "O"]).failures;
    assert_eq!(failures[0], (1, "returned 0 values for 1".to_string()));
    assert_eq!(failures[1].0, 3);
    assert!(failures[1].1.contains("offsets that"), "{failures:?}");
}

#[test]
fn a_value_that_has_become_too_long_fails_alone() {
    let failures = by_letter(&["a", "T", "b", "H"]).failures;
    assert_eq!(failures[1], (3, "returned a value of 2000000 bytes; 1MiB is the most".to_string()));
}

#[test]
fn a_migration_that_always_traps_ends() {
    let few = Limits { traps_per_batch_max: 20, ..limits() };
    let wasm = flowgate_hostile::migrating_plugin(&flowgate_hostile::lines("migrates_by_letter"));
    let (plugins, mut function) = opened(&wasm, few);
    let error = function.migrate("v", 1, &BinaryArray::from(vec![&b"T"[..]; 100])).unwrap_err();
    assert!(error.message.contains("cannot migrate the slot `v`: too many rows fail"), "{error}");
    assert_host_is_well(&plugins);
}
