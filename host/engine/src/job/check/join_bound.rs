//! The bound of a join: a window, an interval, or none.

use super::checker::Checker;
use super::join::needs_event_time;
use super::reading::InputName;
use super::{extent, operator::refuse};
use crate::job::graph::{JoinBound, Windows};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use crate::job::spec::{JoinType, WindowTime};
use flowgate_base::quantity::Millis;

/// The greatest reach of an interval, about 73 million years, so that no sum of times overflows.
const REACH_MS_MAX: i64 = i64::MAX / 4;

/// The inputs of a join: the name of each, and whether it has event time.
pub(super) struct Sides<'a> {
    pub(super) left: (&'a str, bool),
    pub(super) right: (&'a str, bool),
}

/// Returns the bound of an operator; `None` after a problem.
pub(super) fn bound(
    checker: &mut Checker<'_>,
    operator: &spec::Operator,
    join: JoinType,
    sides: &Sides<'_>,
    at: &At,
) -> Option<JoinBound> {
    let bounded = operator.window.is_some() || operator.within.is_some();
    if bounded {
        let message = "belongs to a join of all rows; this one forgets rows by itself";
        refuse(checker, at, operator, &["ttl"], message, "leave it out");
    }
    if operator.window.is_none() {
        let others = ["allowed_lateness"];
        refuse(checker, at, operator, &others, "belongs to a window; this join has none", "leave it out");
    }
    let bound = match (&operator.window, &operator.within) {
        (Some(_), Some(_)) => {
            let message = "a join is bounded either by `window` or by `within`";
            checker.error(Problem::error(at.field("within"), message).on_key().help("leave one of them out"));
            None
        }
        (Some(wanted), None) => window(checker, wanted, operator.allowed_lateness, join, at),
        (None, Some(within)) => interval(checker, within, &at.field("within")),
        (None, None) => unbounded(checker, operator.ttl, join, at),
    }?;
    if needs_event_time(&bound) {
        let (field, kind) = match bound {
            JoinBound::Window { .. } => ("window", "window"),
            _ => ("within", "interval"),
        };
        for (name, has_event_time) in [sides.left, sides.right] {
            if !has_event_time {
                let message = format!("`{name}` has no event time, which this {kind} needs");
                let help = format!(
                    "give `{}` an `event_time: {{ column: ..., max_out_of_orderness: 5s }}`",
                    InputName::parse(name).name
                );
                checker.error(Problem::error(at.field(field), message).on_key().help(help));
            }
        }
    }
    Some(bound)
}

fn window(
    checker: &mut Checker<'_>,
    wanted: &spec::Window,
    lateness: Option<Millis>,
    join: JoinType,
    at: &At,
) -> Option<JoinBound> {
    // The default is event time.
    let time = wanted.time.unwrap_or_default();
    let windows = extent::windows(wanted, &at.field("window"), &mut checker.problems)?;
    let Windows::Time { size_ms, slide_ms } = windows else {
        let message = "rows are joined within tumbling or sliding windows of time";
        let help = "`window: { tumbling: 10s }`; a join of all rows has no `window`";
        checker.error(Problem::error(at.field("window"), message).on_key().help(help));
        return None;
    };
    if let Some(Millis(ms)) = lateness {
        let at = at.field("allowed_lateness");
        if time == WindowTime::Processing {
            let message = "windows in processing time have no late rows";
            checker.error(Problem::error(at, message).on_key().help("leave it out, or use `time: event`"));
        } else if ms < 0 {
            checker.error(Problem::error(at, "cannot be negative"));
        } else if ms > 0 && join != JoinType::Inner {
            let message = "a late row could contradict an emitted result: only an inner join accepts late rows";
            let help = "leave it out, and give the sources a longer `max_out_of_orderness`; late rows are in the side \
                        outputs `late` and `late_right`";
            checker.error(Problem::error(at, message).on_key().help(help));
        }
    }
    let allowed_lateness_ms = lateness.map_or(0, |m| m.0);
    Some(JoinBound::Window { size_ms, slide_ms, time, allowed_lateness_ms })
}

fn interval(checker: &mut Checker<'_>, within: &spec::Within, at: &At) -> Option<JoinBound> {
    let help = "`within: { before: 5s, after: 10s }` pairs a left row with right ones from 5 s earlier to 10 s later";
    if within.before.is_none() && within.after.is_none() {
        let message = "`within` needs `before`, `after` or both";
        checker.error(Problem::error(at.clone(), message).on_key().help(help));
        return None;
    }
    let (before, after) = (within.before.map_or(0, |m| m.0), within.after.map_or(0, |m| m.0));
    let mut right = true;
    for (field, ms) in [("before", before), ("after", after)] {
        if !(-REACH_MS_MAX..=REACH_MS_MAX).contains(&ms) {
            let message = format!("`{field}` reaches further than event time does");
            checker.error(Problem::error(at.field(field), message).on_key());
            right = false;
        }
    }
    if right && before + after < 0 {
        let message = format!("no time is from {} before to {} after", Millis(before), Millis(after));
        checker.error(Problem::error(at.clone(), message).on_key().help(help));
        return None;
    }
    right.then_some(JoinBound::Interval { before_ms: before, after_ms: after })
}

fn unbounded(checker: &mut Checker<'_>, ttl: Option<Millis>, join: JoinType, at: &At) -> Option<JoinBound> {
    if !matches!(join, JoinType::Inner | JoinType::Semi) {
        let name = match join {
            JoinType::Left => "a left",
            JoinType::Right => "a right",
            JoinType::Full => "a full",
            _ => "an anti",
        };
        let message = format!("{name} join of all rows never knows that a row has no pair: one may still come");
        let help =
            "bound it by `window: { tumbling: 10s }` or by `within: { before: 5s, after: 5s }`, or use `join: inner`";
        checker.error(Problem::error(at.field("join"), message).help(help));
        return None;
    }
    if ttl.is_some_and(|ttl| ttl.0 <= 0) {
        let message = "`ttl` must be greater than 0";
        checker.error(Problem::error(at.field("ttl"), message).help("leave it out to keep rows for ever"));
        return None;
    }
    Some(JoinBound::Unbounded { ttl_ms: ttl.map(|ttl| ttl.0) })
}
