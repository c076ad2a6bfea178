//! SECURITY.md promises numbers: they are those of the limits.

use std::collections::BTreeMap;

use flowgate::running::{CHAINED_MAX, FIRINGS_MAX};
use flowgate::running::{PORTION_BYTES_MAX, PORTION_ROWS_MAX};
use flowgate::running::{TEXT_BYTES_MAX, TEXTS_BYTES_MAX};
use flowgate_base::quantity::Bytes;
use flowgate_base::standard_error::WAITING_BYTES_MAX;
use flowgate_wall::Limits;

const SECURITY: &str = include_str!("../../../SECURITY.md");

fn bytes(bytes: impl TryInto<u64>) -> String {
    Bytes(bytes.try_into().ok().unwrap()).to_string()
}

fn count(count: impl TryInto<u64>) -> String {
    let digits = count.try_into().ok().unwrap().to_string();
    let separated = digits.as_bytes().rchunks(3).rev().map(|chunk| std::str::from_utf8(chunk).unwrap());
    separated.collect::<Vec<_>>().join(",")
}

/// The value of a limit by its name, which says the unit.
macro_rules! limits {
    ($limits:expr; $($name:ident $kind:ident),* $(,)?) => {{
        // Without `..`: a limit that is not promised does not compile.
        let Limits { $($name),* } = $limits;
        [$((stringify!($name), $kind($name))),*]
    }};
}

fn of_the_code() -> BTreeMap<&'static str, String> {
    let wall = limits!(Limits::default();
        component_bytes_max bytes, nested_modules_max count, compile_memory_bytes_max bytes, compile_cpu_s_max count,
        compile_wall_s_max count, machine_code_bytes_max bytes, judge_memory_bytes_max bytes, judge_cpu_s_max count,
        judge_wall_s_max count, schema_values_max count, memory_bytes_max bytes, table_elements_max count,
        core_instances_max count, component_handles_max count, stack_bytes_max bytes, instances_max count,
        deadline_ms count, open_deadline_ms count, deadline_tick_ms count, input_bytes_max bytes, output_bytes_max bytes,
        output_rows_max count, batch_rows_max count, batch_outputs_max count, describe_bytes_max bytes, functions_max count,
        columns_max count, accumulator_bytes_max bytes, state_value_bytes_max bytes, state_entry_bytes_max bytes,
        state_entries_max count, state_read_bytes_max bytes, state_written_bytes_max bytes, key_state_bytes_max bytes,
        timers_per_call_max count, migrated_values_max count, state_slots_max count, traps_per_batch_max count,
        search_ms_max count,
        message_bytes_max bytes, problems_max count, log_lines_per_s_max count, metric_names_max count,
        file_read_bytes_max bytes, recorded_state_bytes_max bytes,
    );
    let dataflow = [
        ("PORTION_ROWS_MAX", count(PORTION_ROWS_MAX)),
        ("PORTION_BYTES_MAX", bytes(PORTION_BYTES_MAX)),
        ("TEXT_BYTES_MAX", bytes(TEXT_BYTES_MAX)),
        ("TEXTS_BYTES_MAX", bytes(TEXTS_BYTES_MAX)),
        ("FIRINGS_MAX", count(FIRINGS_MAX)),
        ("CHAINED_MAX", count(CHAINED_MAX)),
        ("WAITING_BYTES_MAX", bytes(WAITING_BYTES_MAX)),
    ];
    wall.into_iter().chain(dataflow).collect()
}

/// The rows ``| `name` | value | ...`` of the table.
fn promised() -> BTreeMap<&'static str, String> {
    let rows = SECURITY.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.filter_map(|(name, rest)| Some((name, rest.split_once(" | ")?.0.to_string()))).collect()
}

#[test]
fn the_numbers_are_those_of_the_code() {
    assert_eq!(promised(), of_the_code());
}

#[test]
fn a_job_can_set_what_the_text_says() {
    let settings = "limits: { memory, deadline, output, key_state }";
    assert!(SECURITY.contains(settings));
    let job = format!(
        "{{\"job\":\"j\",\"sources\":{{}},\"sinks\":{{}},\"limits\":{}}}",
        serde_json::json!({
            "memory": "1MiB", "deadline": "2s", "output": "3MiB", "key_state": "4MiB",
        })
    );
    let job: flowgate::job::spec::Job = serde_json::from_str(&job).unwrap();
    let limits = Limits::of_job(&job.limits.unwrap());
    assert_eq!((limits.memory_bytes_max, limits.deadline_ms), (1 << 20, 2_000));
    assert_eq!((limits.output_bytes_max, limits.key_state_bytes_max), (3 << 20, 4 << 20));
}
