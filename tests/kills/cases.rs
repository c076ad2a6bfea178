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

/// Returns operators of each kind of join.
fn joins(kinds: &[&'static str], bound: &str) -> Vec<(&'static str, String)> {
    let operator = |kind: &str| format!("{{ inputs: [a, b], key: [k], join: {kind}, {bound} }}");
    kinds.iter().map(|kind| (*kind, operator(kind))).collect()
}

const KINDS: [&str; 6] = ["inner", "left", "right", "full", "semi", "anti"];

fn two_sources() -> String {
    generated("a", 2, 2_000) + &generated("b", 3, 1_000)
}

fn window_joins() -> Case {
    Case::new("window joins", two_sources(), joins(&KINDS, "window: { tumbling: 1s }"))
}

fn interval_joins() -> Case {
    Case::new("interval joins", two_sources(), joins(&KINDS, "within: { before: 300ms, after: 500ms }"))
}

/// Joins without a bound, whose state grows, and with a table.
fn other_joins() -> Case {
    let lookup = |kind: &str| {
        let table = "lookup: { path: table.csv, columns: { k: int64, label: text } }";
        format!("{{ input: a, key: [k], join: {kind}, {table} }}")
    };
    let operators = vec![
        ("unbounded", "{ inputs: [a, b], key: [k], join: inner }".into()),
        ("lookup", lookup("inner")),
        ("lookup_left", lookup("left")),
        ("lookup_anti", lookup("anti")),
    ];
    let mut case = Case::new("joins without a bound and with a table", two_sources(), operators);
    case.files = vec![("table.csv".into(), (0..60).fold("k,label\n".into(), |text, k| format!("{text}{k},l{k}\n")))];
    // Rows without a bound on their event time would be late.
    case.timed.retain(|name| *name != "unbounded");
    case
}

/// Aggregates whose state is more than a number.
fn aggregates() -> Case {
    let aggregates = "d: distinct(v), approx: approx_distinct(v), q: \"quantile(v, q=0.5)\", top: \"top_k(v, id, k=3)\", \
                      most: \"arg_max(id, v)\", first: first(id), last: last(id), mean: avg(v)";
    let operator =
        |window: &str| format!("{{ input: a, key: [k], window: {{ {window} }}, aggregate: {{ {aggregates} }} }}");
    let operators = vec![
        ("tumbling", operator("tumbling: 4s")),
        ("sliding", operator("sliding: 6s, every: 3s")),
        ("session", operator("session: 400ms")),
    ];
    // The first and the last of rows with equal event times depend on the order of their splits, which is undefined.
    Case::new("aggregates", generated("a", 4, 8_000).replace(", jitter: 200ms", ""), operators)
}

/// Process functions with values, maps, lists and timers by event time.
fn functions() -> Case {
    let rules = "{ time: at, rules: [{ name: high, column: v, above: 800, clear: 300, for: 200ms }, \
                 { name: low, column: v, below: 100 }] }";
    let raised = format!("{{ input: readings, key: [k], plugin: alert, function: alert, config: {rules} }}");
    let winners =
        "{ inputs: [auctions, bids], key: [{ left: id, right: auction }], plugin: nexmark, function: winning_bid }";
    let events = |table: &str| {
        format!(
            "  {table}s:
    nexmark: {{ table: {table}, events: 20000, rate: 8000, batch_rows: {} }}
    event_time: {{ column: date_time }}
",
            if table == "bid" { 92 } else { 6 }
        )
    };
    let readings = "  readings:
    file: { path: \"in-*.jsonl\", format: json, columns: { at: timestamp, k: int64, v: int64 }, batch_rows: 100 }
    event_time: { column: at, max_out_of_orderness: 1s }
";
    let sources = readings.to_owned() + &events("auction") + &events("bid");
    // A row that arrives before the watermark may raise what a timer would: only then are its other columns there.
    let alerts = "{ input: raised, select: [k, rule, state, since] }".into();
    let mut case = Case::new("process functions", sources, vec![("alerts", alerts), ("winners", winners.into())]);
    case.inner = vec![("raised", raised)];
    case.timed = vec!["winners"];
    for file in 0..3 {
        let line = |n: u64| {
            let (at, k, v) = (1_767_225_600_000 + n, n % 40 * 3 + file, n / 40 * 7_919 % 1_009);
            format!("{{\"at\":{at},\"k\":{k},\"v\":{v}}}\n")
        };
        case.files.push((format!("in-{file}.jsonl"), (0..LINES / 3).map(line).collect()));
    }
    case
}

/// Little memory for more state: some of it is in files, or nearly all.
fn spilled(name: &'static str, memory: &'static str) -> Case {
    let wide = generated("a", 6, 20_000).replace("max: 99 }", "max: 9999 }");
    let other = generated("b", 7, 10_000).replace("max: 99 }", "max: 9999 }");
    let operator = |window: &str, aggregate: &str| {
        format!("{{ input: a, key: [k], window: {{ {window} }}, aggregate: {{ {aggregate} }} }}")
    };
    let operators = vec![
        ("tumbling", operator("tumbling: 10s", "n: count(), most: max(v)")),
        ("sliding", operator("sliding: 10s, every: 5s", "n: count(), s: sum(v)")),
        ("session", operator("session: 2s", "n: count(), s: sum(v)")),
        ("global", operator("global: {}", "n: count(), d: distinct(v)")),
        ("windowed", "{ inputs: [a, b], key: [k], join: full, window: { tumbling: 5s } }".into()),
        ("interval", "{ inputs: [a, b], key: [k], join: left, within: { before: 2s, after: 2s } }".into()),
    ];
    let mut case = Case::new(name, wide + &other, operators);
    case.memory = memory;
    case
}

const LINES: u64 = 60_000;

/// Rows of three files: windows by number of rows, whose keys are in one file each; rows that pass.
fn files() -> Case {
    let columns = "columns: { at: timestamp, k: int64, v: int64 }";
    let sources = format!(
        "  a:
    file: {{ path: \"in-*.jsonl\", format: json, {columns}, batch_rows: 100 }}
    event_time: {{ column: at, max_out_of_orderness: 1s }}
  c:
    file: {{ path: \"in-*.csv\", format: csv, {columns}, batch_rows: 100 }}
    event_time: {{ column: at, max_out_of_orderness: 1s }}
"
    );
    let operator =
        |more: &str| format!("{{ input: a, key: [k], {more}, aggregate: {{ n: count(), s: sum(v), last: last(v) }} }}");
    let operators = vec![
        ("passed", "{ input: a, select: [at, k, v] }".into()),
        ("from_csv", "{ input: c, select: [at, k, v] }".into()),
        ("tumbling", operator("window: { tumbling: 7 rows }")),
        ("sliding", operator("window: { sliding: 5 rows, every: 2 rows }")),
        ("counted", operator("window: { global: {} }, trigger: { count: 50 }")),
    ];
    let mut case = Case::new("files", sources, operators);
    case.timed = vec!["passed"];
    for file in 0..3 {
        let rows = (0..LINES / 3).map(|n| (n, n * 7 % 40 * 3 + file, n * n % 1_000));
        let json = rows.clone().map(|(n, k, v)| format!("{{\"at\":{},\"k\":{k},\"v\":{v}}}\n", time_ms(n)));
        case.files.push((format!("in-{file}.jsonl"), json.collect()));
        let csv = rows.map(|(n, k, v)| format!("{},{k},{v}\n", time_ms(n)));
        case.files.push((format!("in-{file}.csv"), std::iter::once("at,k,v\n".to_owned()).chain(csv).collect()));
    }
    case
}

/// Rows that are an hour late, and lines that are no rows, each in sinks of their own.
fn late_and_dead() -> Case {
    let sources = "  a:
    file: { path: in.jsonl, format: json, columns: { at: timestamp, k: int64, v: int64 }, batch_rows: 100 }
    event_time: { column: at, max_out_of_orderness: 1s }
";
    let operator = |window: &str| {
        format!("{{ input: a, key: [k], window: {{ {window} }}, aggregate: {{ n: count(), s: sum(v) }} }}")
    };
    let operators = vec![
        ("tumbling", operator("tumbling: 2s")),
        ("sliding", operator("sliding: 4s, every: 2s")),
        ("session", operator("session: 100ms")),
    ];
    let mut case = Case::new("late rows and dead letters", sources, operators);
    case.side_outputs = vec![
        ("dead", "a.errors"),
        ("tumbling_late", "tumbling.late"),
        ("sliding_late", "sliding.late"),
        ("session_late", "session.late"),
    ];
    let line = |n: u64| match n % 97 {
        11 => format!("no row {n}\n"),
        // Only once the watermark of every worker is beyond it: fewer rows than that are in flight.
        52 if n > 10_000 => format!("{{\"at\":{},\"k\":{},\"v\":{n}}}\n", time_ms(n) - 3_600_000, n % 100),
        _ => format!("{{\"at\":{},\"k\":{},\"v\":{n}}}\n", time_ms(n), n * 7 % 100),
    };
    case.in_flight = "64KiB";
    case.files = vec![("in.jsonl".into(), (0..LINES).map(line).collect())];
    case
}

/// Returns the time of a row of a file: one each millisecond, not quite in order.
fn time_ms(n: u64) -> u64 {
    1_767_225_600_000 + n - n % 7 * 20 % 90
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
    vec![
        windows(),
        window_joins(),
        interval_joins(),
        other_joins(),
        aggregates(),
        functions(),
        files(),
        late_and_dead(),
        spilled("some state in files", "4MiB"),
        spilled("nearly all state in files", "1MiB"),
    ]
}
