//! `flowgate plugin test`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueHint};
use serde_json::Value;

use super::diff::diff;
use super::error::CommandError;
use super::log_level::LogLevelArg;
use super::sample::{SampleArgs, text_column};
use super::terminal;
use super::trial::{Outcome, Trial};
use super::trial_join::{JoinTrial, SideJoin};
use super::trial_process::ProcessTrial;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Millis;
use flowgate_base::time::ProcessingTime;
use flowgate_connect::parse_rfc3339;
use flowgate_toolchain::{Package, newer_source};
use flowgate_wall::binding::Kind;
use flowgate_wall::{Limits, Plugin, Plugins, Settings};
use flowgate_worker::figures;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate plugin test parse sample.log
  flowgate plugin test parse sample.log --expect parse.expected
  flowgate plugin test parse sample.log --expect parse.expected --update
  flowgate plugin test quantile values.csv --plugin stats.wasm --config '{ \"q\": 0.95 }'
  flowgate plugin test silent readings.jsonl --key sensor --event-time time --config '{ \"after_ms\": 60000 }'
  flowgate plugin test remind orders.jsonl --key user:int64 --now 2026-01-01T00:00:00Z --advance 10m
  flowgate plugin test offer bids.jsonl auctions.jsonl --key auction=id:int64 --join left
  head -100 access.log | flowgate plugin test parse -

A process function is called with batches of the input, in the order of their event time where there are two inputs with
--event-time, else the first input before the second. Then processing time moves by --advance, and the input ends: every timer
of event time fires, as at the end of a job.

Exit code 1: a row failed; with --expect, what came out is not what the file has.";

/// Arguments of `flowgate plugin test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The function.
    function: String,
    #[command(flatten)]
    sample: SampleArgs,
    /// The component, or the folder of a plugin that was built.
    #[arg(long, value_name = "FILE|DIR", default_value = ".")]
    plugin: PathBuf,
    /// The function's config: JSON, or the name of a file with JSON behind an `@`.
    #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
    config: String,
    /// Which rows a join function gets that have no match: those of neither side, of one, or of both.
    #[arg(long, value_enum, default_value_t = SideJoin::Inner)]
    join: SideJoin,
    /// The processing time at which rows come, as in `2026-01-01T00:00:00Z` [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_rfc3339)]
    now: Option<i64>,
    /// How long processing time moves on behind the last row, as in `10m`, so that timers fire.
    #[arg(long, value_name = "DURATION")]
    advance: Option<Millis>,
    /// Compare the output, rows and failures, with this file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    expect: Option<PathBuf>,
    /// Write the output to the file of `--expect`.
    #[arg(long, requires = "expect")]
    update: bool,
    #[command(flatten)]
    log: LogLevelArg,
}

/// Shows rows on standard output and failures on standard error, or compares both with a file.
pub(super) fn run(args: &TestArgs) -> Result<()> {
    let config = config(&args.config)?;
    let plugins = Plugins::with(Settings::of_command(Limits::default())?.log_from(args.log.least()))?;
    let plugin = plugins.load(&component(&args.plugin)?)?;
    let outcome = outcome(args, config, &plugins, &plugin)?;
    let Some(expect) = &args.expect else { return show(&args.function, &outcome) };
    let found = outcome.text();
    if args.update {
        std::fs::write(expect, &found).map_err(|e| Error::io(format!("cannot write {}", expect.display()), &e))?;
        terminal::message(&format!("wrote {}\n", expect.display()));
        return Ok(());
    }
    let expected = std::fs::read_to_string(expect)
        .map_err(|e| Error::io(format!("cannot read {} (`--update` writes it)", expect.display()), &e))?;
    match diff(&expected, &found) {
        None => {
            let (rows, failures) = (outcome.row_count, outcome.failures.len());
            terminal::message(&format!("{}: as expected ({rows} rows, {failures} failures)\n", args.function));
            Ok(())
        }
        Some(difference) => {
            terminal::print(&format!("--- {}\n+++ {}\n{difference}\n", expect.display(), args.function))?;
            // External, because that is the exit code of what ran and did not go well.
            Err(CommandError::Trial(format!("{} returns other rows than {} has", args.function, expect.display()))
                .into())
        }
    }
}

/// Calls the function by its kind.
fn outcome(args: &TestArgs, config: Value, plugins: &Plugins, plugin: &Arc<Plugin>) -> Result<Outcome> {
    let Some(function) = plugin.function(&args.function) else {
        return Err(unknown_function(plugin, &args.function).into());
    };
    let files = args.sample.files(function)?;
    let connectors = files.iter().enumerate().map(|(i, file)| args.sample.connector(file, i, function));
    let mut connectors = connectors.collect::<Result<Vec<_>>>()?;
    let now = args.now.map_or_else(clock::now, ProcessingTime);
    let unused = |setting: &str, kinds: &str| {
        Err(CommandError::Arguments(format!("{setting} is for {kinds} functions: leave it out")).into())
    };
    if function.kind != Kind::Process && (args.sample.event_time.is_some() || args.advance.is_some()) {
        return unused("--event-time, like --advance,", "process");
    }
    if function.kind != Kind::Join && args.join != SideJoin::Inner {
        return unused("--join", "join");
    }
    match function.kind {
        Kind::Transform | Kind::Aggregate => {
            let text_column = text_column(function, 0);
            let connector = connectors.swap_remove(0);
            Trial { plugin, function, connector, config, text_column, now }.run()
        }
        Kind::Join => {
            JoinTrial { plugin, function, connectors, config, key: &args.sample.key, join: args.join, now }.run()
        }
        Kind::Process => {
            let advance_ms = args.advance.map_or(0, |advance| advance.0);
            ProcessTrial { plugin, plugins, function, connectors, config, sample: &args.sample, now, advance_ms }.run()
        }
    }
}

fn show(function: &str, outcome: &Outcome) -> Result<()> {
    terminal::print(&outcome.rows)?;
    terminal::message(&outcome.failures.iter().map(|line| format!("{line}\n")).collect::<String>());
    match outcome.failures.len() {
        0 => Ok(()),
        failed => {
            let (failed, rows) = (figures::whole(failed as u64), figures::whole(outcome.row_count as u64));
            // External, because that is the exit code of what ran and did not go well.
            Err(CommandError::Trial(format!("{function}: failures: {failed}; rows that came out: {rows}")).into())
        }
    }
}

/// Returns the component's file: a folder has it where `plugin build` writes it. Notifies the user where its sources are newer.
pub(super) fn component(plugin: &Path) -> Result<PathBuf> {
    if !plugin.is_dir() {
        // A component next to its package.
        if let Some(folder) = plugin.parent().filter(|folder| folder.join("Cargo.toml").is_file()) {
            say_if_old(folder, plugin);
        }
        return Ok(plugin.to_path_buf());
    }
    let output = Package::read(plugin)?.output;
    if !output.is_file() {
        let dir = plugin.display();
        return Err(CommandError::NotBuilt(format!(
            "{} is not there: `flowgate plugin build {dir}` builds it",
            output.display()
        ))
        .into());
    }
    say_if_old(plugin, &output);
    Ok(output)
}

fn say_if_old(folder: &Path, component: &Path) {
    if let Some(source) = newer_source(folder, component) {
        let name = component.file_name().unwrap_or(component.as_os_str()).to_string_lossy();
        terminal::message(&format!(
            "warning: {name} is older than {}: `flowgate plugin build {}` builds it again\n",
            source.display(),
            folder.display()
        ));
    }
}

/// Returns a config: JSON, or what a file has.
pub(super) fn config(argument: &str) -> Result<Value> {
    let (text, place) = match argument.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(format!("cannot read {path}"), &e))?;
            (text, path.to_string())
        }
        None => (argument.to_string(), "--config".to_string()),
    };
    Ok(serde_json::from_str(&text).map_err(|e| CommandError::Arguments(format!("{place} is not JSON: {e}")))?)
}

fn unknown_function(plugin: &Arc<Plugin>, name: &str) -> CommandError {
    let names: Vec<&str> = plugin.functions().iter().map(|f| f.name.as_str()).collect();
    CommandError::Arguments(format!(
        "{} has no function `{name}`; it has {}",
        plugin.path().display(),
        names.join(", ")
    ))
}
