//! `flowgate job swap`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::error::CommandError;
use super::job_found::{self, JobName};
use super::node::job_swap::{share, swap};
use super::node::session::{Session, Where};
use super::{job_canary, job_savepoint, node, terminal};
use flowgate_api::canary::NewCanary;
use flowgate_api::swap::NewSwap;
use flowgate_base::error::Result;
use flowgate_base::quantity::Millis;
use flowgate_control::canary::{CanaryRequest, millionths};
use flowgate_control::client::{self, AskError};
use flowgate_control::explain::words::whole;
use flowgate_control::limits::CANARY_MS_MAX;
use flowgate_control::message::{Reason, SwapProspect, SwapRequest, Swapped};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate job swap payments risk risk-2.wasm --dry-run
  flowgate job swap payments risk risk-2.wasm
  flowgate job swap payments risk risk-2.wasm --savepoint=before-risk-2
  flowgate job swap payments risk risk-1.wasm
  flowgate job swap payments risk risk@2                      # a job on a node; risk@2 was pushed to it
  flowgate job swap payments risk risk --rollback-over 5%
  flowgate job swap payments risk risk-2.wasm --canary 5% --for 10m   # compares, and changes nothing

Puts another version of a plugin in the place of the one that OPERATOR runs with, between two rows, on all workers or on none. The job \
goes on, and the operator keeps its state; values of state slots whose version has changed go through the new plugin's `migrate`. \
The same with the earlier version is the way back; on a node, `flowgate job rollback` is.";

/// Arguments of `flowgate job swap`.
#[derive(Debug, Args)]
pub(crate) struct SwapArgs {
    /// The running job: its name; of a job on this machine also the beginning of its name, or its process id.
    #[arg(value_name = "JOB")]
    job: String,
    /// The operator whose function is swapped.
    #[arg(value_name = "OPERATOR")]
    operator: String,
    /// The new version: a component, NEW.wasm; of a job on a node, a plugin that was pushed to it, NAME@VERSION, or NAME for the newest
    /// version.
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    component: PathBuf,
    /// The plugin's name in the job, where the operator has aggregates of several plugins.
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Check columns, types and state slots, and try to migrate the state of the last checkpoint; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take a savepoint of the state before the swap, from which the earlier version can be started. Without NAME, it is called after the
    /// present time.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, conflicts_with = "dry_run",
          value_parser = job_savepoint::name)]
    savepoint: Option<Option<String>>,
    /// Give up the state of a slot that the new version does not have. May be given several times.
    #[arg(long, visible_alias = "drop", value_name = "SLOT")]
    drop_state: Vec<String>,
    /// Do not swap: run the new version beside the one of the job on this share of the keys, or of the calls of a function without keys, and print
    /// how what it returns differs. Nothing of it is emitted, and nothing of the job changes.
    #[arg(long, value_name = "SHARE", value_parser = canary_share, conflicts_with_all = ["dry_run", "savepoint", "rollback_over"])]
    canary: Option<f64>,
    /// How long the canary runs; Ctrl-C ends it before.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = canary_time, requires = "canary")]
    canary_ms: u64,
    /// Print what the canary has found as JSON.
    #[arg(long, requires = "canary")]
    json: bool,
    /// On a node: take the swap back if the share of rows that fail in the first minute is greater.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    rollback_over: Option<f64>,
    /// Where the job is.
    #[command(flatten)]
    at: Where,
}

/// Requests the swap from a node.
fn on_node(session: &Session, args: &SwapArgs) -> Result<()> {
    if args.savepoint.is_some() || args.plugin.is_some() {
        let message = "--savepoint and --plugin are for jobs on this machine: a node takes a savepoint at each swap";
        return Err(CommandError::Arguments(message.into()).into());
    }
    let version = args.component.display().to_string();
    if version.ends_with(".wasm") || version.contains('/') {
        let message = format!(
            "a job on a node swaps to a plugin that the node has: `flowgate plugin push {version}` says which version it is, as in \
             `sensors@2`; for a job on this machine, there is --local"
        );
        return Err(CommandError::Arguments(message).into());
    }
    let slot = |slot: &String| if slot.contains('/') { slot.clone() } else { format!("{}/{slot}", args.operator) };
    if let Some(share) = args.canary {
        let request = NewCanary {
            operator: args.operator.clone(),
            plugin: args.component.display().to_string(),
            share,
            for_s: u32::try_from(args.canary_ms.div_ceil(1_000)).unwrap_or(u32::MAX),
            drop: args.drop_state.iter().map(slot).collect(),
        };
        return node::job_canary::run(session, &args.job, &request, args.json);
    }
    let request = NewSwap {
        operator: args.operator.clone(),
        plugin: version,
        dry_run: args.dry_run,
        drop: args.drop_state.iter().map(slot).collect(),
        rollback_over: args.rollback_over,
    };
    swap(session, &args.job, &request)
}

pub(super) fn run(args: &SwapArgs) -> Result<()> {
    if let Some(session) = args.at.node()? {
        return on_node(&session, args);
    }
    if args.rollback_over.is_some() {
        let message = "--rollback-over is for jobs on a node; `flowgate login` says which node";
        return Err(CommandError::Arguments(message.into()).into());
    }
    let path = std::path::absolute(&args.component).unwrap_or_else(|_| args.component.clone());
    if !path.is_file() {
        return Err(CommandError::Arguments(format!("there is no file {}", path.display())).into());
    }
    let job = job_found::find(&JobName { job: Some(args.job.clone()) })?;
    let unanswered = |error: AskError| match error {
        AskError::Refused(refusal) if refusal.reason != Reason::TooMany && refusal.reason != Reason::Internal => {
            CommandError::Refused(format!("the job {} keeps its version: {}", job.name, refusal.message)).into()
        }
        error => job_found::no_answer(&job, error),
    };
    if let Some(share) = args.canary {
        let request = CanaryRequest {
            operator: args.operator.clone(),
            plugin: args.plugin.clone(),
            path: path.display().to_string(),
            drop_state: args.drop_state.clone(),
            share_ppm: millionths(share),
            for_ms: args.canary_ms,
        };
        return job_canary::run(&job, request, args.json, &unanswered);
    }
    let request = SwapRequest {
        operator: args.operator.clone(),
        plugin: args.plugin.clone(),
        path: path.display().to_string(),
        savepoint: args.savepoint.clone().map(|name| name.unwrap_or_else(job_savepoint::default_name)),
        drop_state: args.drop_state.clone(),
        dry_run: args.dry_run,
    };
    let swapping = client::swap(&job, request).map_err(unanswered)?;
    if args.dry_run {
        let prospect = swapping.prospect().map_err(unanswered)?;
        terminal::print(&text_of(&prospect))?;
        return match prospect.problems.is_empty() {
            true => terminal::print("ok: nothing was changed\n"),
            false => Err(CommandError::Refused(prospect.problems.join("\n")).into()),
        };
    }
    let swapped = swapping.wait().map_err(unanswered)?;
    terminal::print(&done(&args.operator, &swapped))?;
    match swapped.savepoint_error {
        None => Ok(()),
        Some(error) => {
            let message = format!("the swap is done, but its savepoint cannot be written: {error}");
            Err(CommandError::Unanswered(message).into())
        }
    }
}

/// Reads the share of a canary: `5%` or `0.05`.
fn canary_share(text: &str) -> std::result::Result<f64, String> {
    match share(text)? {
        0.0 => Err(format!("`{text}` compares nothing; write a share over 0%, like 5%")),
        share => Ok(share),
    }
}

/// Reads the time of a canary, in milliseconds.
fn canary_time(text: &str) -> std::result::Result<u64, String> {
    let Millis(ms) = text.parse::<Millis>()?;
    match u64::try_from(ms) {
        Ok(ms @ 1..=CANARY_MS_MAX) => Ok(ms),
        _ => Err(format!("a canary runs for at most {}", Millis(CANARY_MS_MAX.cast_signed()))),
    }
}

fn done(operator: &str, swapped: &Swapped) -> String {
    let Swapped { gap_us, migrated, checkpoint, savepoint, .. } = swapped;
    let mut text = format!("`{operator}` runs with the new version: rows waited for {} ms", *gap_us as f64 / 1_000.0);
    if *migrated > 0 {
        text += &format!(", {} values were migrated", whole(*migrated));
    }
    text += &match checkpoint {
        Some(record) => format!("; durable with checkpoint {record}\n"),
        None => "; the job takes no checkpoints\n".into(),
    };
    if let Some(address) = savepoint {
        text += &format!("the state before it is the savepoint {address}: ");
        text += &job_savepoint::next_step(address);
    }
    text
}

fn text_of(prospect: &SwapProspect) -> String {
    let mut text = String::new();
    if !prospect.from.is_empty() {
        text += &format!("on {}\n", prospect.from);
    }
    for (operator, rows) in &prospect.kept {
        text += &format!("  `{operator}`: {} rows of state are kept\n", whole(*rows));
    }
    for note in &prospect.notes {
        text += &format!("  {note}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_has_a_share_and_a_time() {
        assert_eq!(["5%", "0.05", "100%"].map(canary_share), [Ok(0.05), Ok(0.05), Ok(1.0)]);
        for wrong in ["0%", "0", "101%", "5", "-1%"] {
            assert!(canary_share(wrong).is_err(), "{wrong}");
        }
        assert_eq!(["60s", "10m", "1h"].map(canary_time), [Ok(60_000), Ok(600_000), Ok(3_600_000)]);
        for wrong in ["0s", "61m", "x"] {
            assert!(canary_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_swap_says_what_it_did() {
        let swapped = Swapped {
            gap_us: 1_500,
            migrated: 1_200,
            checkpoint: Some(7),
            savepoint: Some("store#before".into()),
            savepoint_error: None,
        };
        let text = done("risk", &swapped);
        assert!(
            text.starts_with("`risk` runs with the new version: rows waited for 1.5 ms, 1,200 values were migrated; "),
            "{text}"
        );
        assert!(text.contains("durable with checkpoint 7\n") && text.contains("--from 'store#before'"), "{text}");
    }
}
