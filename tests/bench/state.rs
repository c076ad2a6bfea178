//! State: random updates of a count for each of many keys, more than memory can hold, with and without a time-to-live; and the
//! cost of a look-up where all is in memory.
//!
//! Cases take turns `STATE_RUNS` (5) times, and the median run of each counts; without a run, only the look-up is measured.
//! `STATE_KEYS` (10,000,000), `STATE_UPDATES` (the number of keys) and `STATE_BUDGET_MIB` (256) set the size.

#[path = "report.rs"]
mod report;

use std::process::Command;
use std::time::Instant;

use flowgate_base::error::{Error, Result};
use flowgate_state::index::KeyIndex;
use flowgate_state::key::{Key, Keys};
use flowgate_state::store::{JobStores, SlotKind, StateStore};
use flowgate_state::table::{Table, Values};
use serde_json::json;

/// The rows of a batch.
const BATCH: usize = 8_192;

/// Keys that fit into memory in any case, for the cost of a look-up.
const FEW_KEYS: u64 = 100_000;

/// A day: more than any of the measurements takes.
const TTL_MS: u64 = 86_400_000;

/// The cases with more keys than memory can hold.
const CASES: [&str; 2] = ["without", "with"];

/// The number of measurements in memory.
const RUNS_IN_MEMORY: usize = 5;

/// A count for each key.
#[derive(Debug, Default)]
struct Counts(Vec<i64>);

impl Values for Counts {
    fn grow(&mut self, rows: usize) {
        self.0.resize(rows, 0);
    }

    fn clear(&mut self, row: u32) {
        self.0[row as usize] = 0;
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0[row as usize].to_le_bytes());
    }

    fn decode(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        self.0[row as usize] = i64::from_le_bytes(bytes.try_into().map_err(|_| Error::internal("not a count"))?);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.len() * 8
    }
}

/// Returns the next number of a pseudo-random sequence (splitmix64).
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn setting(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => otherwise,
    }
}

/// Returns the maximum memory that the process has had, in MiB; `None` where the system does not report it.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// Updates counts of keys, a batch at a time.
fn update(table: &mut Table<Counts>, mut keys: impl Iterator<Item = i64>, rows: &mut Vec<u32>, now_ms: i64) {
    loop {
        let batch: Vec<i64> = keys.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return;
        }
        table.settle(now_ms).expect("the file takes what is spilled");
        table.rows_of(&Keys::Ints(batch.into(), None), rows).expect("the file returns what was spilled");
        let counts = &mut table.values_mut().0;
        rows.iter().for_each(|row| counts[*row as usize] += 1);
    }
}

struct Measured {
    fills_per_second: f64,
    updates_per_second: f64,
    spilled: usize,
}

/// Updates all keys once, then random ones; at the end the sum of the counts must be right.
fn spilled(name: &str, ttl_ms: Option<u64>, keys: u64, updates: u64, budget: u64) -> Measured {
    let job = JobStores::new(budget, None, 256, 1);
    let table = Table::in_store(Counts::default(), &StateStore::new(&job), name, SlotKind::Window);
    let mut table = table.with_ttl(ttl_ms);
    let mut rows = Vec::new();
    let (started, mut seed) = (Instant::now(), 7);
    // A permutation: an odd multiplier modulo 2^64, so that keys are spread.
    let key = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64;
    update(&mut table, (0..keys).map(key), &mut rows, 1);
    let filled = started.elapsed();
    let started = Instant::now();
    update(&mut table, (0..updates).map(|_| key(next(&mut seed) % keys)), &mut rows, 2);
    let updated = started.elapsed();
    let spilled = table.spilled_keys();
    let (mut sum, mut count) = (0, 0);
    let add = |_: &KeyIndex, values: &mut Counts, rows: &[u32]| {
        sum += rows.iter().map(|row| values.0[*row as usize]).sum::<i64>();
        count += rows.len() as u64;
        Ok(())
    };
    table.scan(add).expect("the file returns what was spilled");
    assert_eq!((count, sum as u64), (keys, keys + updates), "every key is there, and every update was counted");
    // A key that was never there is not found.
    assert!(table.find(Key::Int(key(keys))).expect("the file can be read").is_none());
    Measured {
        fills_per_second: keys as f64 / filled.as_secs_f64(),
        updates_per_second: updates as f64 / updated.as_secs_f64(),
        spilled,
    }
}

/// Returns nanoseconds a row where all is in memory.
fn in_memory(ttl_ms: Option<u64>) -> f64 {
    let table = Table::in_store(Counts::default(), &StateStore::in_memory(), "counts", SlotKind::Window);
    let mut table = table.with_ttl(ttl_ms);
    let (mut rows, mut seed, mut best) = (Vec::new(), 7, f64::MAX);
    let batches: Vec<Keys> = (0..100)
        .map(|_| Keys::Ints((0..BATCH).map(|_| (next(&mut seed) % FEW_KEYS) as i64).collect::<Vec<_>>().into(), None))
        .collect();
    for _ in 0..20 {
        let started = Instant::now();
        for batch in &batches {
            table.settle(1).expect("nothing is spilled");
            table.rows_of(batch, &mut rows).expect("nothing is spilled");
            let counts = &mut table.values_mut().0;
            rows.iter().for_each(|row| counts[*row as usize] += 1);
        }
        best = best.min(started.elapsed().as_nanos() as f64 / (batches.len() * BATCH) as f64);
    }
    best
}

/// Runs one case, in a process of its own for its memory: prints the figures in one line.
fn run_case(case: &str) {
    let keys = setting("STATE_KEYS", 10_000_000);
    let updates = setting("STATE_UPDATES", keys);
    let budget = setting("STATE_BUDGET_MIB", 256) << 20;
    let measured = spilled(case, (case == "with").then_some(TTL_MS), keys, updates, budget);
    println!(
        "{:.0} {:.0} {} {}",
        measured.fills_per_second,
        measured.updates_per_second,
        measured.spilled,
        peak_mib().unwrap_or_default()
    );
}

/// Runs one case in a process of its own: returns new keys and updates a second, spilled keys, and the maximum memory in MiB.
fn run_apart(case: &str) -> [u64; 4] {
    let program = std::env::current_exe().expect("the benchmark has a path");
    let output = Command::new(program).env("STATE_CASE", case).output().expect("the benchmark runs again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = String::from_utf8(output.stdout).expect("figures are text");
    let figures: Vec<u64> = line.split_whitespace().map(|f| f.parse().expect("figures are numbers")).collect();
    figures.try_into().unwrap_or_else(|_| panic!("{line}"))
}

fn main() {
    if let Ok(case) = std::env::var("STATE_CASE") {
        return run_case(&case);
    }
    // In turn, so that a machine that is slower for a while is slower for both.
    let mut nanoseconds = [f64::MAX; 2];
    for _ in 0..RUNS_IN_MEMORY {
        nanoseconds[0] = nanoseconds[0].min(in_memory(None));
        nanoseconds[1] = nanoseconds[1].min(in_memory(Some(TTL_MS)));
    }
    let [without, with] = nanoseconds;
    println!("in memory, {FEW_KEYS} keys: {without:.1} ns/row; with time-to-live {with:.1} ns/row");
    println!("more keys than there is memory for:");
    let mut runs: [Vec<[u64; 4]>; 2] = Default::default();
    for _ in 0..setting("STATE_RUNS", 5) {
        CASES.iter().zip(&mut runs).for_each(|(case, runs)| runs.push(run_apart(case)));
    }
    let mut results = Vec::new();
    for (case, mut runs) in CASES.iter().zip(runs) {
        runs.sort_by_key(|[_, updates, ..]| *updates);
        let Some([fills, updates, spilled, peak_mib]) = runs.get(runs.len() / 2) else { return };
        println!(
            "  {case} time-to-live: {fills} new keys/s, {updates} updates/s, {spilled} keys spilled, at most {peak_mib} MiB in memory"
        );
        results.push(json!({
            "case": format!("{case} time-to-live"),
            "new_keys_per_second": fills,
            "updates_per_second": updates,
            "spilled_keys": spilled,
            "peak_mib": peak_mib,
        }));
    }
    report::write("state.json", &json!(results));
}
