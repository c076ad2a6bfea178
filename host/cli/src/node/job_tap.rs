//! `flowgate job tap`, of jobs on a node.

use std::time::{Duration, Instant};

use flowgate_base::error::Result;
use flowgate_base::{clock, shown};
use flowgate_worker::figures::whole;

use super::address;
use super::error::NodeError;
use super::events::Events;
use super::job_ask::named;
use super::session::Session;
use crate::terminal;

/// Which rows are shown.
pub(crate) struct Tapped<'a> {
    /// The operator.
    pub(crate) operator: &'a str,
    /// The output; empty: the main one.
    pub(crate) output: &'a str,
    /// The rows after which it ends.
    pub(crate) rows: Option<u64>,
    /// Rows a second at most.
    pub(crate) rows_per_s: u64,
}

pub(crate) fn run(session: &Session, job: Option<&str>, tapped: &Tapped<'_>) -> Result<()> {
    let path = session.path(&["jobs", &named(session, job)?, "tap"])?;
    let output = Some(tapped.output.to_string()).filter(|output| !output.is_empty());
    // Rows beyond our rate are left out here, so the node does not count them.
    let path = address::query(&path, &[("operator", Some(tapped.operator.into())), ("output", output)]);
    let mut rate = Rate { most: tapped.rows_per_s, since: clock::monotonic(), shown: 0 };
    let (mut shown, mut left_out) = (0_u64, 0_u64);
    for event in Events::new(session.client.stream(&path)?) {
        let event = event.map_err(|e| NodeError::Silent(format!("the rows end here: {e}")))?;
        match event.name.as_str() {
            "row" if rate.has_room(clock::monotonic()) => {
                terminal::print(&format!("{}\n", shown::json(&event.data)))?;
                shown += 1;
            }
            "row" => left_out += 1,
            "lost" => left_out += event.data.trim().parse::<u64>().unwrap_or(0),
            _ => {}
        }
        if tapped.rows.is_some_and(|rows| shown >= rows) {
            break;
        }
    }
    if left_out > 0 {
        terminal::message(&format!("note: {} rows shown, {} left out\n", whole(shown), whole(left_out)));
    }
    Ok(())
}

/// How many rows were shown within this second.
struct Rate {
    most: u64,
    since: Instant,
    shown: u64,
}

impl Rate {
    fn has_room(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.shown) = (now, 0);
        }
        self.shown += 1;
        self.shown <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_number_of_rows() {
        let start = clock::monotonic();
        let mut rate = Rate { most: 2, since: start, shown: 0 };
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(
            [0, 10, 20, 999, 1_000, 1_001, 1_002].map(|ms| rate.has_room(at(ms))),
            [true, true, false, false, true, true, false]
        );
    }
}
