//! Aggregates that do not keep to the contract.

use super::*;

fn aggregate(name: &str) -> (Plugins, Function) {
    let lines = if name.is_empty() { String::new() } else { flowgate_hostile::lines(name) };
    let plugins = plugins();
    let plugin = load_bytes(&plugins, &flowgate_hostile::plugin(&lines, true)).unwrap();
    let function = open(&plugin).unwrap();
    (plugins, function)
}

#[test]
fn a_good_aggregate_works() {
    let (_plugins, mut function) = aggregate("");
    let accumulators = VarValues { offsets: vec![0, 1, 3], data: b"abb".to_vec() };
    let updated = function.update(accumulators.clone(), &[0, 1, 0], &column(0..3), 3, &CallContext::default()).unwrap();
    assert_eq!(updated.accumulators, accumulators);
    assert_eq!(function.merge(&accumulators, &VarValues::empty(2)).unwrap(), accumulators);
    assert_eq!(function.finish(&accumulators).unwrap()[0].len(), 2);
}

#[test]
fn returns_other_accumulators_than_it_was_given() {
    for (name, expected) in [
        ("accumulators_lost", "returned 1 accumulators for 2"),
        ("accumulator_too_large", "made an accumulator of 69999 bytes; 65536 is the most"),
    ] {
        let (plugins, mut function) = aggregate(name);
        let given = VarValues { offsets: vec![0, 1, 3], data: b"abb".to_vec() };
        let updated = function.update(given.clone(), &[0, 1], &column(0..2), 2, &CallContext::default()).unwrap();
        assert_eq!(updated.accumulators, given, "what a failed call did is forgotten");
        assert_eq!(updated.failures.len(), 2);
        assert_eq!(updated.failures[0].message, expected);
        let error = function.merge(&given, &given).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.code.to_string(), "FG0223");
        assert_host_is_well(&plugins);
    }
}

#[test]
fn gives_results_for_other_groups() {
    let (plugins, mut function) = aggregate("finish_other_count");
    let error = function.finish(&VarValues::empty(2)).unwrap_err();
    assert_eq!(error.message, "function `f` cannot finish accumulators: column `y`: has 7 values for 2 rows");
    assert_host_is_well(&plugins);
}

#[test]
fn traps_in_merge() {
    let (plugins, mut function) = aggregate("merge_traps");
    let error = function.merge(&VarValues::empty(2), &VarValues::empty(2)).unwrap_err();
    assert!(error.message.starts_with("function `f` cannot merge accumulators: trapped: "), "{error}");
    assert_eq!(error.code.to_string(), "FG0220");
    assert_eq!(function.finish(&VarValues::empty(2)).unwrap()[0].len(), 2, "it starts again");
    assert_host_is_well(&plugins);
}
