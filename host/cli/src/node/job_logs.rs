//! `flowgate job logs`.

use flowgate_api::Page;
use flowgate_api::job::LogLine;
use flowgate_base::error::Result;
use flowgate_base::shown;
use flowgate_control::explain::words;

use super::args::JobLogs;
use super::error::NodeError;
use super::events::Events;
use super::{address, json};
use crate::terminal;

/// Maximum bytes of a line that is shown.
const LINE_BYTES_MAX: usize = 16_384;

pub(super) fn run(args: &JobLogs) -> Result<()> {
    let session = args.target.session()?;
    let path = session.path(&["jobs", &args.job, "logs"])?;
    let path = address::query(
        &path,
        &[
            ("operator", args.operator.clone()),
            ("level", args.level.clone()),
            ("attempt", args.attempt.map(|attempt| attempt.to_string())),
            ("limit", Some(args.lines.to_string())),
            ("follow", args.follow.then(|| "true".into())),
        ],
    );
    if !args.follow {
        let page: Page<LogLine> = session.client.get(&path)?;
        if args.json {
            return json::print(&page.items);
        }
        if page.items.is_empty() {
            terminal::message("there are no such lines\n");
        }
        return terminal::print(&page.items.iter().map(line).collect::<String>());
    }
    for event in Events::new(session.client.stream(&path)?) {
        let event = event.map_err(|e| NodeError::Silent(format!("the log ends here: {e}")))?;
        if event.name != "line" {
            continue;
        }
        let of: LogLine = serde_json::from_str(&event.data)
            .map_err(|e| NodeError::Answer(format!("a line of the log cannot be read: {e}")))?;
        let text = if args.json { format!("{}\n", shown::json(&event.data)) } else { line(&of) };
        terminal::print(&text)?;
    }
    terminal::message("the node has ended the stream: it stopped, or the job was deleted\n");
    Ok(())
}

/// Returns a line: `2026-01-01 00:00:00.123Z warn  readings/1 sensors@2: the message`. Where nobody is named, the job itself says it.
fn line(of: &LogLine) -> String {
    let worker = of.worker.map_or_else(String::new, |worker| format!("/{worker}"));
    let operator = of.operator.as_ref().map(|operator| format!("{operator}{worker}"));
    let named: Vec<String> = operator.into_iter().chain(of.plugin.clone()).collect();
    let by = if named.is_empty() { String::new() } else { format!("{}: ", named.join(" ")) };
    let text = format!("{} {:5} {by}{}", words::time(of.at_ms), of.level, of.message.trim_end());
    format!("{}\n", shown::one_line(&text, LINE_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_logged_it() {
        let of = LogLine {
            at_ms: 123,
            level: "warn".into(),
            attempt: 1,
            operator: Some("readings".into()),
            worker: Some(1),
            plugin: Some("sensors@2".into()),
            message: "odd\u{1b}[2J row\n".into(),
        };
        assert_eq!(line(&of), "1970-01-01 00:00:00.123Z warn  readings/1 sensors@2: odd\\u{1b}[2J row\n");
        let own = LogLine { operator: None, worker: None, plugin: None, message: "starts".into(), ..of };
        assert_eq!(line(&own), "1970-01-01 00:00:00.123Z warn  starts\n");
    }
}
