//! `flowgate job swap` and `flowgate job rollback`, of jobs on a node.

use std::time::Duration;

use flowgate_api::operation::Operation;
use flowgate_api::swap::{NewSwap, Outcome, Swap};
use flowgate_base::error::Result;
use flowgate_base::shown;
use flowgate_control::explain::words;
use serde_json::{Value, json};

use super::args::JobDo;
use super::error::NodeError;
use super::operation;
use super::session::Session;
use crate::terminal;
use flowgate_worker::figures;

/// Maximum bytes of a line of a report.
const LINE_BYTES_MAX: usize = 4_096;

/// Swaps a function of a running job, or says what a swap would do.
pub(crate) fn swap(session: &Session, job: &str, request: &NewSwap) -> Result<()> {
    let begun: Operation = session.client.post(&session.path(&["jobs", job, "swaps"])?, request)?.value;
    let result = operation::wait(session, begun)?;
    if request.dry_run {
        let (text, fails) = prospect(&result);
        terminal::print(&text)?;
        return match fails {
            false => terminal::print("the swap can be done: run it again without --dry-run\n"),
            true => Err(NodeError::Refused("the swap would be refused".into()).into()),
        };
    }
    outcome(result)
}

pub(super) fn rollback(args: &JobDo) -> Result<()> {
    let session = args.target.session()?;
    let path = session.path(&["jobs", &args.job, "rollback"])?;
    let begun: Operation = session.client.post(&path, &json!({}))?.value;
    outcome(operation::wait(&session, begun)?)
}

/// Says how a swap has ended.
fn outcome(result: Value) -> Result<()> {
    let swap: Swap = match serde_json::from_value(result) {
        Ok(swap) => swap,
        Err(e) => return Err(NodeError::Answer(format!("the result of the swap cannot be read: {e}")).into()),
    };
    let text = sentence(&swap);
    match swap.outcome {
        Outcome::Done | Outcome::Pending | Outcome::Back => terminal::print(&format!("{text}\n")),
        Outcome::Refused | Outcome::RolledBack => Err(NodeError::Refused(text).into()),
    }
}

/// Returns what became of a swap: `readings: sensors@1 -> sensors@2, gap 1.2ms, 1,000 values migrated`.
fn sentence(swap: &Swap) -> String {
    let mut text = format!("{}: {} -> {}", swap.operator, swap.from, swap.to);
    text += match swap.outcome {
        Outcome::Done => "",
        Outcome::Back => ", the way back",
        Outcome::Pending => ", not at its boundary yet",
        Outcome::Refused => ", refused",
        Outcome::RolledBack => ", taken back",
    };
    if let Some(gap_us) = swap.gap_us {
        text += &format!(", gap {}", figures::took(Duration::from_micros(gap_us)));
    }
    if let Some(migrated) = swap.migrated.filter(|migrated| *migrated > 0) {
        text += &format!(", {} values migrated", words::whole(migrated));
    }
    if let Some(savepoint) = &swap.savepoint {
        text += &format!(", savepoint {savepoint}");
    }
    if let Some(reason) = &swap.reason {
        text += &format!(": {}", shown::one_line(reason, LINE_BYTES_MAX));
    }
    text
}

/// Returns what a dry run says, and whether the swap would be refused.
fn prospect(result: &Value) -> (String, bool) {
    let text_of = |value: &Value| match value {
        Value::String(text) => shown::one_line(text, LINE_BYTES_MAX),
        other => shown::one_line(&other.to_string(), LINE_BYTES_MAX),
    };
    let list = |name: &str| result.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let named = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or("?");
    let mut text = format!("{} -> {}\n", named("from"), named("to"));
    if let Some(checkpoint) = result.get("checkpoint").and_then(Value::as_str) {
        text += &format!("tried on {checkpoint}\n");
    }
    for kept in list("kept") {
        let operator = kept.get("operator").and_then(Value::as_str).unwrap_or("?");
        let rows = kept.get("rows").and_then(Value::as_u64).unwrap_or(0);
        text += &format!("{operator}: {} rows of state are kept\n", words::whole(rows));
    }
    for note in list("notes") {
        text += &format!("note: {}\n", text_of(note));
    }
    if let Some(warnings) = result.get("warnings").and_then(Value::as_str).filter(|warnings| !warnings.is_empty()) {
        text += &format!("{}\n", warnings.trim_end());
    }
    let problems = list("problems");
    for problem in problems {
        text += &format!("error: {}\n", text_of(problem));
    }
    (shown::lines(&text).into_owned(), !problems.is_empty())
}

/// Reads a share: `5%` or `0.05`.
pub(crate) fn share(text: &str) -> std::result::Result<f64, String> {
    let wrong = || format!("`{text}` is no share; write it like 5% or 0.05");
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map_err(|_| wrong())? / scale;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_or_fractions() {
        assert_eq!(["5%", "0.05", "100%", "0", "1"].map(share), [Ok(0.05), Ok(0.05), Ok(1.0), Ok(0.0), Ok(1.0)]);
        for bad in ["5", "101%", "-1%", "x", "", "%", "nan"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_swap_says_its_gap_and_its_reason() {
        let swap = Swap {
            number: 1,
            at_ms: 0,
            by: "ci".into(),
            operator: "readings".into(),
            from: "sensors@1".into(),
            to: "sensors@2".into(),
            outcome: Outcome::Done,
            gap_us: Some(1_200),
            migrated: Some(1_000),
            savepoint: None,
            reason: None,
        };
        assert_eq!(sentence(&swap), "readings: sensors@1 -> sensors@2, gap 1.2ms, 1,000 values migrated");
        let refused = Swap {
            outcome: Outcome::Refused,
            gap_us: None,
            migrated: None,
            reason: Some("no column `x`".into()),
            ..swap
        };
        assert_eq!(sentence(&refused), "readings: sensors@1 -> sensors@2, refused: no column `x`");
        let error = outcome(serde_json::to_value(refused).unwrap()).unwrap_err();
        assert_eq!(error.code, &crate::code::NODE_REFUSES);
    }

    #[test]
    fn a_dry_run_says_what_is_kept_and_what_is_wrong() {
        let kept = json!({"from": "sensors@1", "to": "sensors@2", "checkpoint": "chk-7", "warnings": "",
            "kept": [{"operator": "sums", "rows": 1_000}], "notes": ["5 values migrate"], "problems": []});
        let wanted =
            "sensors@1 -> sensors@2\ntried on chk-7\nsums: 1,000 rows of state are kept\nnote: 5 values migrate\n";
        assert_eq!(prospect(&kept), (wanted.into(), false));
        let (text, fails) = prospect(&json!({"problems": ["no column `x`\u{1b}"]}));
        assert!(text.ends_with("error: no column `x`\\u{1b}\n") && fails, "{text}");
    }
}
