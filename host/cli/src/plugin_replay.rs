//! `flowgate plugin replay`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow_array::ArrayRef;
use clap::{Args, ValueHint};

use super::error::CommandError;
use super::log_level::LogLevelArg;
use super::plugin_test::{component, config};
use super::terminal;
use super::trial::{Given as GivenRows, Outcome};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_base::shown;
use flowgate_connect::encode::encode_json_lines;
use flowgate_wall::binding::OutputBinding;
use flowgate_wall::{
    Answer, CompileIn, Function, Given, KeptValue, Limits, MemoryState, Plugins, RecordedCall, Repeated, RowFailure,
    Rows, Settings,
};
use flowgate_worker::figures;
use flowgate_worker::limits::RECORD_BYTES_MAX;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate plugin replay 3-1.json                         # what the call was given
  flowgate plugin replay 3-1.json risk.wasm               # makes it again
  flowgate plugin replay 3-1.json plugins/risk            # with the component that was built there
  flowgate plugin build plugins/risk --debug && flowgate plugin replay 3-1.json plugins/risk --debug
  gdb --args flowgate plugin replay 3-1.json risk.wasm --debug

`flowgate job records JOB --save ID` fetches a call from a node; `flowgate run --record DIR` records the calls of a job on this machine.

Exit code 0: every row is answered. 1: a row fails, as it did when the call was recorded or in another way.";

/// The time that a call has in front of a debugger: a day.
const DEBUG_DEADLINE_MS: u64 = 24 * 3_600 * 1_000;

/// The characters of a key or value of state that are shown.
const SHOWN_BYTES_MAX: usize = 200;

/// Arguments of `flowgate plugin replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The recorded call.
    #[arg(value_hint = ValueHint::FilePath)]
    call: PathBuf,
    /// The component, or the folder of a plugin that was built: the version that was recorded, or a later one.
    #[arg(value_name = "FILE|DIR")]
    component: Option<PathBuf>,
    /// Compile without optimising and with information for a debugger, give the call as much time as it takes, and show where in the
    /// code it traps. Use it for components that you trust.
    #[arg(long, requires = "component")]
    debug: bool,
    /// Wait for Enter before the call, so that a debugger can be attached.
    #[arg(long, requires = "debug")]
    wait: bool,
    /// Another config: JSON, or the name of a file with JSON behind an `@`. Secrets are not recorded, and have to be in it.
    #[arg(long, value_name = "JSON|@FILE", requires = "component")]
    config: Option<String>,
    /// A file that the job granted, as in `--file cities=cities.csv`. May be used several times.
    #[arg(long = "file", value_name = "NAME=PATH", value_parser = named_file, requires = "component")]
    files: Vec<(String, PathBuf)>,
    #[command(flatten)]
    log: LogLevelArg,
}

fn named_file(text: &str) -> std::result::Result<(String, PathBuf), String> {
    let named = text.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty());
    named.map(|(name, path)| (name.into(), path.into())).ok_or_else(|| "write it like `cities=cities.csv`".into())
}

/// Shows a recorded call, or makes it again.
pub(super) fn run(args: &ReplayArgs) -> Result<()> {
    let call = read(&args.call)?;
    match &args.component {
        None => describe(&call, &args.call),
        Some(component) => replay(args, call, component),
    }
}

fn read(path: &Path) -> Result<RecordedCall> {
    let cannot = |e| Error::io(format!("cannot read {}", path.display()), &e);
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut text = Vec::new();
    file.take(RECORD_BYTES_MAX + 1).read_to_end(&mut text).map_err(cannot)?;
    if text.len() as u64 > RECORD_BYTES_MAX {
        let max = figures::bytes(RECORD_BYTES_MAX);
        return Err(
            CommandError::Arguments(format!("{} has more than {max}: it is no recorded call", path.display())).into()
        );
    }
    Ok(RecordedCall::of_text(&text).map_err(|why| CommandError::Arguments(format!("{}: {why}", path.display())))?)
}

fn describe(call: &RecordedCall, path: &Path) -> Result<()> {
    let mut head = format!(
        "`{}` called `{}` of `{}` with {} {}\ncomponent {}\nended: {}\n",
        call.operator,
        call.given.name(),
        call.function,
        figures::whole(call.given.len() as u64),
        unit(&call.given),
        call.sha256,
        call.reason,
    );
    let mut line =
        |what: &str, text: String| writeln!(head, "{what}: {text}").map_err(|e| Error::internal(e.to_string()));
    line("config", shown::json(&call.config.to_string()))?;
    if !call.files.is_empty() {
        line("granted files", call.files.join(", "))?;
    }
    for (key, slot, value) in state_of(call)? {
        line("state", format!("{key} {slot} {value}"))?;
    }
    terminal::message(&head);
    terminal::print(&given_rows(&call.given)?)?;
    terminal::message(&format!("`flowgate plugin replay {} COMPONENT` makes this call again\n", path.display()));
    Ok(())
}

fn unit(given: &Given) -> &'static str {
    match given {
        Given::Transform { .. } | Given::Batch { .. } | Given::Update { .. } => "rows",
        Given::Join { .. } => "pairs of rows",
        Given::Timers { .. } => "timers",
        Given::Merge { .. } => "pairs of accumulators",
        Given::Finish { .. } => "accumulators",
        Given::Migrate { .. } => "values of state",
    }
}

/// Returns what a call was given as JSON lines.
fn given_rows(given: &Given) -> Result<String> {
    Ok(match given {
        Given::Transform { input } | Given::Update { input, .. } => json_lines(input)?,
        Given::Batch { rows, .. } => json_lines(rows)?,
        Given::Join { left, right } => {
            let (left, right) = (json_lines(left)?, json_lines(right)?);
            let pairs = left.lines().zip(right.lines());
            pairs.map(|(left, right)| format!("{{\"left\":{left},\"right\":{right}}}\n")).collect()
        }
        Given::Timers { timers, keys, .. } => {
            let keys = json_lines(keys)?;
            let keys: Vec<&str> = keys.lines().collect();
            let line = |timer: &flowgate_wall::Timer| {
                let key = keys.get(timer.key as usize).unwrap_or(&"null");
                format!("{{\"key\":{key},\"time\":{},\"tag\":{}}}\n", timer.time, timer.tag)
            };
            timers.iter().map(line).collect()
        }
        Given::Merge { .. } | Given::Finish { .. } | Given::Migrate { .. } => String::new(),
    })
}

fn json_lines(rows: &Rows) -> Result<String> {
    let mut lines = Vec::new();
    encode_json_lines(&Schema::new(rows.fields.clone()), &rows.columns, rows.count, &mut lines);
    String::from_utf8(lines).map_err(|e| Error::internal(e.to_string()))
}

/// Returns the state that a call was given: key, slot and value, of those that are there.
fn state_of(call: &RecordedCall) -> Result<Vec<(String, String, String)>> {
    let (Given::Batch { keys, state, .. } | Given::Timers { keys, state, .. }) = &call.given else {
        return Ok(Vec::new());
    };
    let names: Vec<String> = call.slots.iter().map(|slot| slot.name.clone()).collect();
    differences(keys, &names, &MemoryState::empty(&call.slots, state.key_count()), state)
}

/// Returns what keys have in a state, where it is not what they had before.
fn differences(
    keys: &Rows,
    slots: &[String],
    before: &MemoryState,
    after: &MemoryState,
) -> Result<Vec<(String, String, String)>> {
    let keys = json_lines(keys)?;
    let mut found = Vec::new();
    for (slot, (before, after)) in slots.iter().zip(before.slots().iter().zip(after.slots())) {
        for (key, (before, after)) in keys.lines().zip(before.iter().zip(after)) {
            if before != after {
                found.push((shown::one_line(key, SHOWN_BYTES_MAX), slot.clone(), value(after)));
            }
        }
    }
    Ok(found)
}

/// Returns state as text: what is no text, by its escapes.
fn value(kept: &KeptValue) -> String {
    let text = |bytes: &[u8]| format!("\"{}\"", bytes.escape_ascii());
    let all = match kept {
        KeptValue::Value(None) => "nothing".to_string(),
        KeptValue::Value(Some(value)) => text(value),
        KeptValue::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(entry, value)| format!("{}: {}", text(entry), text(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        KeptValue::List(elements) => {
            format!("[{}]", elements.iter().map(|element| text(element)).collect::<Vec<_>>().join(", "))
        }
    };
    match shown::one_line(&all, SHOWN_BYTES_MAX) {
        cut if cut.len() < all.len() => format!("{cut}... ({})", figures::bytes(kept.bytes() as u64)),
        whole => whole,
    }
}

fn replay(args: &ReplayArgs, mut call: RecordedCall, path: &Path) -> Result<()> {
    if let Some(text) = &args.config {
        call.config = config(text)?;
    }
    let files: BTreeMap<String, PathBuf> = args.files.iter().cloned().collect();
    if let Some(missing) = call.files.iter().find(|name| !files.contains_key(*name)) {
        let message = format!("the job granted the file `{missing}`: add `--file {missing}=PATH`");
        return Err(CommandError::Arguments(message).into());
    }
    let plugins = Plugins::with(settings(args, &call)?)?;
    let plugin = plugins.load(&component(path)?)?;
    if plugin.digest() != call.sha256 {
        let recorded = &call.sha256;
        terminal::message(&format!("note: the call was recorded with another version of the component: {recorded}\n"));
    }
    let opened = Function::open(&plugin, call.request(files));
    let mut function = opened.map_err(|problems| CommandError::Function(problems.join("\n")))?;
    if args.wait {
        let pid = std::process::id();
        terminal::message(&format!("process {pid}: attach a debugger (`gdb -p {pid}`), then press Enter\n"));
        std::io::stdin().read_line(&mut String::new()).map_err(|e| Error::io("cannot wait for Enter", &e))?;
    }
    let repeated = function.repeat(&call);
    if let Some(backtrace) = function.backtrace() {
        terminal::message(&format!("{}\n", backtrace.trim_end()));
    }
    let misfit = |how: String| CommandError::Function(format!("the component does not fit the recorded call: {how}"));
    let outcome = match repeated.map_err(misfit)? {
        Ok(repeated) => outcome(&mut function, &call, repeated)?,
        // Of a call that speaks of no row.
        Err(error) => Outcome { failures: vec![error.message], ..Outcome::default() },
    };
    terminal::print(&outcome.rows)?;
    terminal::message(&outcome.failures.iter().map(|line| format!("{line}\n")).collect::<String>());
    ended(&call, &outcome)
}

fn settings(args: &ReplayArgs, call: &RecordedCall) -> Result<Settings> {
    let recorded = call.limits.limits();
    if !args.debug {
        return Ok(Settings::of_command(recorded)?.log_from(args.log.least()));
    }
    let limits = Limits { deadline_ms: DEBUG_DEADLINE_MS, open_deadline_ms: DEBUG_DEADLINE_MS, ..recorded };
    let settings = Settings { compile_in: CompileIn::ToDebug, cache: None, ..Settings::new(limits) };
    Ok(settings.log_from(args.log.least()))
}

/// Says whether it ended as it did then.
fn ended(call: &RecordedCall, outcome: &Outcome) -> Result<()> {
    let rows = figures::whole(outcome.row_count as u64);
    if outcome.failures.is_empty() {
        terminal::message(&format!("every row is answered; rows that came out: {rows}\n"));
        return Ok(());
    }
    let same = outcome.failures.iter().any(|failure| failure.ends_with(&call.reason));
    let how = if same {
        "it ended as it did when it was recorded"
    } else {
        "it ended in another way than when it was recorded"
    };
    let failed = figures::whole(outcome.failures.len() as u64);
    // External, because that is the exit code of what ran and did not go well.
    Err(CommandError::Trial(format!("{how}; failures: {failed}; rows that came out: {rows}")).into())
}

fn outcome(function: &mut Function, call: &RecordedCall, repeated: Repeated) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let outputs = function.binding().outputs.clone();
    match (repeated, &call.given) {
        (Repeated::Rows(answer), Given::Transform { input }) => add(&mut outcome, &outputs, input, &answer)?,
        (Repeated::Rows(answer), Given::Join { left, right }) => {
            let fields = left.fields.iter().chain(&right.fields).cloned().collect();
            let columns: Vec<ArrayRef> = left.columns.iter().chain(&right.columns).cloned().collect();
            add(&mut outcome, &outputs, &Rows { fields, columns, count: left.count }, &answer)?;
        }
        (Repeated::Keyed(answer, after), Given::Batch { rows, keys, state, .. }) => {
            add(&mut outcome, &outputs, rows, &answer)?;
            show_state(function, call, keys, state, &after)?;
        }
        (Repeated::Keyed(answer, after), Given::Timers { keys, state, timers }) => {
            let of: Vec<u32> = timers.iter().map(|timer| timer.key).collect();
            let of = arrow_array::UInt32Array::from(of);
            let take = |column: &ArrayRef| arrow_select::take::take(column, &of, None);
            let columns = keys.columns.iter().map(take).collect::<std::result::Result<_, _>>();
            let columns = columns.map_err(|e| Error::internal(e.to_string()))?;
            let given = Rows { fields: keys.fields.clone(), columns, count: timers.len() };
            add(&mut outcome, &outputs, &given, &answer)?;
            show_state(function, call, keys, state, &after)?;
        }
        (Repeated::Updated(updated), _) => {
            outcome.failures.extend(updated.failures.iter().map(failure));
            finish(&mut outcome, &outputs, &function.finish(&updated.accumulators)?, updated.accumulators.len())?;
        }
        (Repeated::Merged(accumulators), _) => {
            finish(&mut outcome, &outputs, &function.finish(&accumulators)?, accumulators.len())?;
        }
        (Repeated::Finished(columns), given) => finish(&mut outcome, &outputs, &columns, given.len())?,
        (Repeated::Migrated(migrated), _) => {
            outcome.row_count = migrated.values.iter().flatten().count();
            outcome.failures.extend(migrated.failures.iter().map(|(at, why)| format!("value {at}: {why}")));
        }
        _ => return Err(Error::internal("a call was made again as another one")),
    }
    Ok(outcome)
}

fn add(outcome: &mut Outcome, outputs: &[OutputBinding], rows: &Rows, answer: &Answer) -> Result<()> {
    let schema = Schema::new(rows.fields.clone());
    let given = GivenRows { schema: &schema, columns: &rows.columns, row_count: rows.count };
    outcome.add(outputs, &given, answer)?;
    outcome.failures.extend(answer.failures.iter().map(failure));
    outcome.failures.extend(answer.gave_up.iter().map(|error| error.message.clone()));
    Ok(())
}

fn failure(failure: &RowFailure) -> String {
    format!("row {}: {}", failure.row, failure.message)
}

fn finish(outcome: &mut Outcome, outputs: &[OutputBinding], columns: &[ArrayRef], count: usize) -> Result<()> {
    let [output] = outputs else { return Err(Error::internal("an aggregate has one output")) };
    outcome.encode("", &Schema::new(output.columns.clone()), columns, count)
}

/// Shows what the call wrote.
fn show_state(
    function: &Function,
    call: &RecordedCall,
    keys: &Rows,
    before: &MemoryState,
    after: &MemoryState,
) -> Result<()> {
    let own: Vec<String> = function.binding().state.iter().map(|slot| slot.name.clone()).collect();
    // Of a slot that the recorded version did not have, everything is new.
    let mut had = MemoryState::empty(&function.binding().state, before.key_count());
    for (at, name) in own.iter().enumerate() {
        let was = call.slots.iter().position(|slot| slot.name == *name);
        if let Some(kept) = was.and_then(|was| before.slots().get(was)) {
            had.replace(at, kept.clone())?;
        }
    }
    let mut text = String::new();
    for (key, slot, value) in differences(keys, &own, &had, after)? {
        text += &format!("wrote state: {key} {slot} {value}\n");
    }
    for change in after.timers() {
        let what = if change.is_set { "set" } else { "cleared" };
        text += &format!(
            "{what} a timer of key {} at {} with tag {}\n",
            change.timer.key, change.timer.time, change.timer.tag
        );
    }
    terminal::message(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_shown_as_text_where_it_is_one_and_cut_where_it_is_long() {
        assert_eq!(value(&KeptValue::Value(Some(b"a\"\x00".to_vec()))), r#""a\"\x00""#);
        let entries = [(b"k".to_vec(), b"v".to_vec())].into_iter().collect();
        assert_eq!(value(&KeptValue::Map(entries)), r#"{"k": "v"}"#);
        let long = value(&KeptValue::List(vec![vec![b'x'; 1_000]]));
        assert!(long.starts_with("[\"xxx") && long.ends_with("... (1.0 kB)"), "{long}");
    }

    #[test]
    fn a_granted_file_has_a_name_and_a_path() {
        assert_eq!(named_file("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(named_file("a").is_err() && named_file("=b").is_err() && named_file("a=").is_err());
    }
}
