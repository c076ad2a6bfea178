//! Calls of transforms, joins and aggregates that are recorded and made again.

use flowgate_wall::{Given, RecordLog, RecordedCall, Repeated};

use super::*;

#[derive(Default)]
struct Recorded(Mutex<Vec<RecordedCall>>);

impl RecordLog for Recorded {
    fn has_room(&self, _operator: &str, _reason: &str) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    fn take(&self, call: RecordedCall) {
        self.0.lock().unwrap().push(call);
    }
}

/// Opens a function; what it does not answer is recorded.
fn recorded(compile_in: CompileIn, component: &[u8]) -> (Plugins, Function, Arc<Recorded>) {
    let log = Arc::new(Recorded::default());
    let settings = Settings { records: Some(Arc::<Recorded>::clone(&log)), compile_in, ..settings(limits()) };
    let plugins = Plugins::with(settings).unwrap();
    let function = open(&load_bytes(&plugins, component).unwrap()).unwrap();
    (plugins, function, log)
}

fn only(log: &Recorded) -> RecordedCall {
    let calls = log.0.lock().unwrap();
    let [call] = &calls[..] else { panic!("{calls:?}") };
    RecordedCall::of_text(&call.to_text().unwrap()).unwrap()
}

/// Goal: the call of a transform that loops is made again in the same way, with the limits of the job.
#[test]
fn a_transform_that_loops_loops_again() {
    let component =
        flowgate_hostile::plugin("(func $apply (param i32 i32 i32) (result i32) (loop $l (br $l)) unreachable)", false);
    let (_plugins, mut function, log) = recorded(CompileIn::ThisProcess, &component);
    let answer = function.transform(&column(0..1), 1, &CallContext::default()).unwrap();
    let call = only(&log);
    assert_eq!((call.reason.clone(), call.given.name()), (answer.failures[0].message.clone(), "apply"));
    assert_eq!(call.limits.limits().deadline_ms, limits().deadline_ms);
    let Repeated::Rows(again) = function.repeat(&call).unwrap().unwrap() else { panic!() };
    assert_eq!(again.failures, answer.failures);
}

/// Where in the code it was is known of a component that was compiled to debug.
#[test]
fn a_trap_has_a_backtrace_where_it_was_compiled_to_debug() {
    let component = flowgate_hostile::plugin(
        "(func $apply (param i32 i32 i32) (result i32) (call $deep) (i32.const 256)) (func $deep unreachable)",
        false,
    );
    for (compile_in, is_there) in [(CompileIn::ToDebug, true), (CompileIn::ThisProcess, false)] {
        let (_plugins, mut function, _log) = recorded(compile_in, &component);
        function.transform(&column(0..1), 1, &CallContext::default()).unwrap();
        let backtrace = function.backtrace().unwrap_or_default();
        assert_eq!(backtrace.contains("deep") && backtrace.contains("apply"), is_there, "{backtrace}");
    }
}

#[test]
fn merges_and_updates_of_an_aggregate_are_recorded() {
    let lines = flowgate_hostile::lines("merge_traps");
    let component = flowgate_hostile::plugin(&lines, true);
    let (_plugins, mut function, log) = recorded(CompileIn::ThisProcess, &component);
    let values: VarValues = [&b"a"[..], b"bb"].into_iter().collect();
    let error = function.merge(&values, &VarValues::empty(2)).unwrap_err();
    let call = only(&log);
    let Given::Merge { left, right } = &call.given else { panic!("{call:?}") };
    assert_eq!((left, right), (&values, &VarValues::empty(2)));
    assert_eq!(function.repeat(&call).unwrap().unwrap_err().message, error.message);

    let lost = flowgate_hostile::plugin(&flowgate_hostile::lines("accumulators_lost"), true);
    let (_plugins, mut function, log) = recorded(CompileIn::ThisProcess, &lost);
    let given: VarValues = [&b"a"[..], b"bb", b"c"].into_iter().collect();
    let updated = function.update(given.clone(), &[2, 1], &column(0..2), 2, &CallContext::default()).unwrap();
    let call = only(&log);
    let Given::Update { accumulators, groups, input } = &call.given else { panic!("{call:?}") };
    // The first row that fails by itself.
    assert_eq!((accumulators, &groups[..], input.count), (&given, &[2][..], 1));
    let Repeated::Updated(again) = function.repeat(&call).unwrap().unwrap() else { panic!() };
    assert_eq!(again.failures[0].message, call.reason);
    assert_eq!(updated.failures.len(), 2);
}
