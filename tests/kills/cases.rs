//! The jobs that are killed.

use super::case::Case;

/// Windows by time of each kind, keyed and not.
fn windows() -> Case {
    let operator = |window: &str, aggregate: &str| {
        format!("{{ input: a, key: [k], window: {{ {window} }}, aggregate: {{ {aggregate} }} }}")
    };
    let sums = "n: count(), s: sum(v)";
    let operators = vec![
        ("tumbling", operator("tumbling: 2s", sums)),
        ("sliding", operator("sliding: 3s, every: 1s", sums)),
        ("greatest", operator("sliding: 3s, every: 1s", "least: min(v), most: max(v)")),
        ("session", operator("session: 150ms", sums)),
        ("global", operator("global: {}", sums)),
        ("unkeyed", format!("{{ input: a, window: {{ tumbling: 300ms }}, aggregate: {{ {sums} }} }}")),
        ("chained", "{ input: unkeyed, window: { tumbling: 900ms }, aggregate: { parts: count(), s: sum(s) } }".into()),
    ];
    Case::new("windows by time", generated("a", 1, 20_000), operators)
}

/// Returns a source of random rows that takes about 2.5 seconds, however many rows there are: 20 seconds of event time.
fn generated(name: &str, seed: u64, rows: u64) -> String {
    let (rate, step) = (rows * 2 / 5, 20_000_000 / rows);
    format!(
        "  {name}:
    generator:
      rows: {rows}
      rate: {rate}
      seed: {seed}
      batch_rows: 100
      columns:
        at: {{ time: {{ start: \"2026-01-01T00:00:00Z\", step_us: {step}, jitter: 200ms }} }}
        k: {{ int: {{ min: 0, max: 99 }} }}
        v: {{ int: {{ min: 0, max: 999 }} }}
        id: {{ sequence: {{}} }}
    event_time: {{ column: at, max_out_of_orderness: 200ms }}
"
    )
}

/// Returns every case.
pub(crate) fn all() -> Vec<Case> {
    vec![windows()]
}
