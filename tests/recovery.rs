//! Kills a job at random instants and resumes it at a random parallelism: nothing is lost, and nothing appears twice.
//!
//! FLOWGATE_TEST_KILLS sets how many kills there are in all, FLOWGATE_TEST_SEED repeats a run's decisions, and
//! FLOWGATE_TEST_CASE selects cases by a part of their name.
#![cfg(target_os = "linux")]

mod kills;

use harness::{Chance, seed};
use kills::faults::{Kills, kill};

/// Kills in a run of the tests.
const KILLS: usize = 50;
/// The least share of kills within a checkpoint, in percent.
const INSIDE_PERCENT: usize = 60;

fn planned() -> usize {
    std::env::var("FLOWGATE_TEST_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number of kills"))
}

/// Goal: exactly once, whenever the process dies. Method: SIGKILL, mostly within a checkpoint; the committed output is that of
/// an undisturbed run without checkpoints.
#[test]
fn what_is_killed_resumes_exactly_once() {
    let (planned, seed) = (planned(), seed());
    println!("{planned} kills; FLOWGATE_TEST_SEED={seed}");
    let wanted = std::env::var("FLOWGATE_TEST_CASE").unwrap_or_default();
    let cases: Vec<_> = kills::cases::all().into_iter().filter(|case| case.name.contains(&wanted)).collect();
    let mut chance = Chance::new(seed);
    let mut all = Kills::default();
    for (n, case) in cases.iter().enumerate() {
        // The first cases have one more where it is not a whole number for each.
        let of_case = planned / cases.len() + usize::from(n < planned % cases.len());
        let start = std::time::Instant::now();
        let kills = kill(case, of_case, &mut chance);
        let took = start.elapsed().as_secs_f32();
        println!("{}, {} of memory: {} in {took:.1} s", case.name, case.memory, described(&kills));
        all.add(kills);
    }
    println!("{}", described(&all));
    assert_eq!(all.all(), planned, "fewer kills than planned");
    assert!(all.inside() * 100 >= planned * INSIDE_PERCENT, "fewer than {INSIDE_PERCENT} % within a checkpoint");
}

fn described(kills: &Kills) -> String {
    let Kills { in_checkpoint, before_commit, outside } = kills;
    format!(
        "{} kills: {in_checkpoint} in a checkpoint, {before_commit} between its manifest and its sinks, {outside} outside",
        kills.all()
    )
}
