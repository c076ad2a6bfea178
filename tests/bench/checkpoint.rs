//! Checkpoints of large state: pauses, bytes, recovery, and what they cost a job in throughput.
//!
//! Jobs run in the program, as a user would run them, and are killed between the phases. Every phase resumes from the checkpoints of the one
//! before it. Figures are those of the manifests. The pause of a checkpoint is the longest one of any worker, so p50 and p99 are over
//! the checkpoints of a phase.
//!
//! `CHECKPOINT_BENCH_ROWS` (10,000,000) is the number of keys of 100 bytes; the other cases follow in proportion.

mod checkpoint_figures;
mod checkpoint_run;
#[path = "report.rs"]
mod report;

use std::time::Duration;

use arrow_array::cast::AsArray;
use checkpoint_figures::{Figures, load};
use checkpoint_run::{STORE, Variables, Workplace};
use flowgate_connect::generator::Generator;
use serde_json::json;

/// Rows a second while state is filled: fewer than a slow machine takes. State that spills is filled more slowly.
const FILL_RATE: u64 = 800_000;
const FILL_RATE_SPILLED: u64 = 250_000;

/// A rate that is never reached.
const UNLIMITED: u64 = 1_000_000_000;

/// Pairs of runs with checkpoints and without.
const PAIRS: usize = 3;

/// Bytes of a key group and an integer key in a row of state.
const KEY_BYTES: f64 = 10.0;

/// A job whose state is filled first.
struct Case {
    name: &'static str,
    job: &'static str,
    /// Keys, or rows of the one key, for each key of the first case.
    keys_per_row: f64,
    row_bytes: fn() -> f64,
    /// The budget of memory, for each byte of state.
    memory: f64,
    phases: &'static [Phase],
}

/// A time in which a share of the state changes.
struct Phase {
    name: &'static str,
    changes: Changes,
    every: Duration,
    time: Duration,
}

enum Changes {
    /// Nothing.
    None,
    /// Random rows: this share of the keys a second.
    Share(f64),
    /// Random rows, as many as there is time for.
    All,
}

const SECOND: Duration = Duration::from_secs(1);
const ONE_PERCENT: Phase =
    Phase { name: "1 %", changes: Changes::Share(0.01), every: SECOND, time: Duration::from_secs(15) };
const SHORT: Phase = Phase { time: Duration::from_secs(8), ..ONE_PERCENT };
const ALL: Phase =
    Phase { name: "100 %", changes: Changes::All, every: Duration::from_secs(8), time: Duration::from_secs(30) };
const NOTHING: Phase = Phase { name: "0 %", changes: Changes::None, every: SECOND, time: Duration::from_secs(8) };

const CASES: [Case; 5] = [
    Case {
        name: "10M x 100 B",
        job: include_str!("checkpoint/latest.yaml"),
        keys_per_row: 1.0,
        row_bytes: || KEY_BYTES + text_bytes(),
        memory: 8.0,
        // Nothing last: the source of changes ends in that phase.
        phases: &[ONE_PERCENT, ALL, NOTHING],
    },
    Case {
        name: "10M x 100 B, half spilled",
        job: include_str!("checkpoint/latest.yaml"),
        keys_per_row: 1.0,
        row_bytes: || KEY_BYTES + text_bytes(),
        memory: 0.5,
        phases: &[SHORT],
    },
    Case {
        name: "40M x 26 B",
        job: include_str!("checkpoint/counts.yaml"),
        keys_per_row: 4.0,
        // The pane and the count.
        row_bytes: || KEY_BYTES + 16.0,
        memory: 8.0,
        phases: &[SHORT],
    },
    Case {
        name: "hot join key, 1M rows",
        job: include_str!("checkpoint/join.yaml"),
        keys_per_row: 0.1,
        row_bytes: || KEY_BYTES + text_bytes(),
        memory: 20.0,
        phases: &[SHORT],
    },
    Case {
        name: "1M timers",
        job: include_str!("checkpoint/timers.yaml"),
        keys_per_row: 0.1,
        // A timer (clock, time, tag, sequence), and a value with its key.
        row_bytes: || KEY_BYTES + 25.0 + KEY_BYTES + 33.0,
        memory: 20.0,
        phases: &[SHORT],
    },
];

/// Windows whose throughput is compared: name, rows for each key of the first case, keys for each key of the first case.
const THROUGHPUT: [(&str, &str, f64, f64); 2] =
    [("100k keys, windows of 10 s", "10s", 3.0, 0.01), ("2M keys, one window", "1h", 2.0, 0.2)];

fn main() {
    // `cargo bench --bench checkpoint -- timers`: the cases whose names have this word.
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let rows = std::env::var("CHECKPOINT_BENCH_ROWS").map_or(10_000_000, |rows| {
        rows.parse().unwrap_or_else(|_| panic!("CHECKPOINT_BENCH_ROWS={rows}: not a number"))
    });
    let mut all = Vec::new();
    for case in CASES.iter().filter(|case| is_wanted(case.name)) {
        measure(case, rows, &mut all);
    }
    for (name, window, rows_of, keys_of) in THROUGHPUT.iter().filter(|(name, ..)| is_wanted(name)) {
        let (rows, keys) = ((rows as f64 * rows_of) as u64, (rows as f64 * keys_of) as u64);
        note(throughput(name, window, rows, keys.max(1)), &mut all);
    }
    checkpoint_figures::print(&all);
    report::write("checkpoint.json", &json!(all.iter().map(Figures::json).collect::<Vec<_>>()));
}

/// Keeps figures, and prints them: the whole takes minutes.
fn note(figures: Figures, all: &mut Vec<Figures>) {
    println!("{}", figures.json());
    all.push(figures);
}

/// Fills the state of a job, lets it take its first checkpoint, and resumes it for each phase.
fn measure(case: &Case, rows: u64, all: &mut Vec<Figures>) {
    let keys = ((rows as f64 * case.keys_per_row) as u64).max(1);
    let row_bytes = (case.row_bytes)();
    let fill_rate = if case.memory < 1.0 { FILL_RATE_SPILLED } else { FILL_RATE };
    let figures =
        |phase: &str| Figures { case: format!("{}, {phase}", case.name), keys, row_bytes, ..Figures::default() };
    let variables = |changes: &Changes, every: Duration| -> Variables {
        let (updates, rate) = match changes {
            Changes::None => (1, UNLIMITED),
            Changes::Share(share) => (UNLIMITED * 1_000, (keys as f64 * share) as u64),
            Changes::All => (UNLIMITED * 1_000, UNLIMITED),
        };
        vec![
            ("EVERY", format!("{}ms", every.as_millis())),
            ("MEMORY", format!("{}", ((keys as f64 * row_bytes * case.memory) as u64).max(1 << 20))),
            ("ROWS", keys.to_string()),
            ("LAST_KEY", (keys - 1).to_string()),
            ("FILL_RATE", fill_rate.to_string()),
            ("UPDATES", updates.to_string()),
            ("RATE", rate.max(1).to_string()),
            // Those of 10 ms at the lowest rate: blocks of a generator must not change.
            ("BATCH", (keys / 10_000).clamp(1, 1_000).to_string()),
        ]
    };
    let mut place = Workplace::new();
    place.set_job(case.job);
    let filled = Duration::from_secs_f64(keys as f64 / fill_rate as f64 + 2.0);
    let (checkpoints, compacted) = place.start(&variables(&Changes::Share(0.01), filled)).observe(1, Duration::ZERO);
    let entries = checkpoints.iter().map(|checkpoint| checkpoint.rows).max().unwrap_or_default();
    let mut last = Figures { checkpoints, compacted, entries, load: load(), ..figures("first") };
    for phase in case.phases {
        last.recovery_s = Some(recovery(&mut place, &variables(&phase.changes, Duration::from_millis(10))));
        note(last, all);
        let (checkpoints, compacted) = place.start(&variables(&phase.changes, phase.every)).observe(2, phase.time);
        last = Figures { checkpoints, compacted, entries, load: load(), ..figures(phase.name) };
    }
    last.is_last = true;
    last.recovery_s = Some(recovery(&mut place, &variables(&Changes::Share(0.01), Duration::from_millis(10))));
    note(last, all);
}

/// Returns the time from the start of the program until its first checkpoint, which it takes as soon as it runs, in seconds.
fn recovery(place: &mut Workplace, variables: &Variables) -> f64 {
    place.start(variables).until_first().as_secs_f64()
}

/// Runs a job with checkpoints every second and without, in turn; the median pair counts.
fn throughput(name: &str, window: &str, rows: u64, keys: u64) -> Figures {
    const JOB: &str = include_str!("checkpoint/throughput.yaml");
    let with = format!("{JOB}checkpoint: {{ every: 1s, keep: 1000000, store: {STORE} }}\n");
    let variables: Variables =
        vec![("ROWS", rows.to_string()), ("LAST_KEY", (keys - 1).to_string()), ("WINDOW", window.into())];
    let mut place = Workplace::new();
    let mut figures = Figures {
        case: format!("throughput, {name}"),
        keys,
        entries: keys,
        row_bytes: KEY_BYTES + 24.0,
        ..Figures::default()
    };
    let mut ratios = Vec::new();
    for _ in 0..PAIRS {
        place.set_job(JOB);
        let alone = place.run_to_end(&variables);
        place.set_job(&with);
        let took = place.run_to_end(&variables);
        ratios.push(alone.as_secs_f64() / took.as_secs_f64());
        figures.checkpoints.extend(place.checkpoints());
    }
    Figures { throughput: Some(report::median(ratios)), load: load(), ..figures }
}

/// Returns the mean length of the texts of the jobs.
fn text_bytes() -> f64 {
    let settings = json!({ "rows": 8_192, "columns": { "v": { "words": 23 } } });
    let generator = Generator::new(&serde_json::from_value(settings).expect("settings of a generator"));
    let rows = generator.expect("a good generator").fill(0).expect("a block");
    rows.columns[0].as_string::<i32>().values().len() as f64 / rows.row_count as f64
}
