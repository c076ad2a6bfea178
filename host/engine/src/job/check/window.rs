//! Operators that aggregate windows.

use std::collections::BTreeMap;

use super::checker::Checker;
use super::operator::{one_input, refuse};
use super::reading::InputName;
use super::{aggregate, column, extent, key};
use crate::job::graph::{Node, NodeKind, Output, Trigger, WindowNode, Windows, errors_schema};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use crate::job::spec::WindowTime;
use flowgate_base::quantity::Millis;
use flowgate_base::schema::{DataType, Field, Schema};

/// Returns the node of an operator with `window`; `None` after a problem.
pub(super) fn check_window(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    let before = checker.problems.len();
    let others = ["function", "config", "columns", "files"];
    let help = "an aggregate with its own config is `aggregate: { NAME: { plugin, function, columns, config } }`";
    refuse(checker, &at, operator, &others, &format!("belongs to a plugin's function; `{name}` is a window"), help);
    let help = "joins take `window: { tumbling: 10s }` as a bound, and keep rows without it for their `ttl`";
    refuse(checker, &at, operator, &["ttl"], &format!("belongs to a join; `{name}` is a window"), help);
    let window = operator.window.as_ref()?;
    let windows = extent::windows(window, &at.field("window"), &mut checker.problems);
    let time = window.time.unwrap_or_default();
    let trigger = windows.and_then(|windows| trigger(operator, windows, &at, &mut checker.problems));
    let lateness = operator.allowed_lateness;
    // Whether the windows have an end in time, at which they fire.
    let ends = matches!(windows, Some(Windows::Time { .. } | Windows::Session { .. }) | None);
    if let Some(Millis(ms)) = lateness {
        let at = at.field("allowed_lateness");
        if time == WindowTime::Processing {
            let message = "windows in processing time have no late rows";
            checker.error(Problem::error(at, message).on_key().help("leave it out, or use `time: event`"));
        } else if ms < 0 {
            checker.error(Problem::error(at, "cannot be negative"));
        } else if !ends {
            let message = "windows that do not end at a time have no late rows";
            checker.error(Problem::error(at, message).on_key().help("leave it out"));
        }
    }
    if operator.aggregate.is_empty() {
        let message = format!("window `{name}` computes nothing");
        let help = "give it a result, as `aggregate: { rows: count() }`";
        checker.error(Problem::error(at.clone(), message).on_key().help(help));
    }
    let (input_name, input, read) = one_input(checker, name, operator)?;
    if time == WindowTime::Event && ends && !read.has_event_time {
        let message = format!("`{input_name}` has no event time, which this window needs");
        let help = format!(
            "give `{}` an `event_time: {{ column: ..., max_out_of_orderness: 5s }}`, or use `time: processing` here",
            InputName::parse(input_name).name
        );
        checker.error(Problem::error(at.field("window"), message).on_key().help(help));
    }
    let key = key::key(checker, operator, input_name, &read.schema, &at);
    let mut fields: Vec<Field> = key.iter().map(|i| read.schema.fields[*i].clone()).collect();
    if ends {
        fields.push(Field::new("window_start", DataType::Timestamp));
        fields.push(Field::new("window_end", DataType::Timestamp));
    }
    let marks_results = trigger.is_some() || lateness.is_some_and(|m| m.0 > 0);
    if marks_results {
        fields.push(Field::new("window_result", DataType::Text));
    }
    let mut aggregates = Vec::new();
    let mut places: BTreeMap<String, String> =
        fields.iter().map(|f| (f.name.clone(), "the window's own columns and its key".into())).collect();
    for (result, wanted) in &operator.aggregate {
        let place = at.field("aggregate").field(result);
        let Some((aggregate, made)) =
            aggregate::check_aggregate(checker, name, result, wanted, input_name, &read.schema, &place)
        else {
            continue;
        };
        for field in made {
            if let Some(other) = places.insert(field.name.clone(), format!("`{result}`")) {
                let message = format!("the column `{}` is there already, from {other}", field.name);
                checker.error(Problem::error(place.clone(), message).on_key().help("choose another name"));
            }
            fields.push(field);
        }
        aggregates.push(aggregate);
    }
    let schema = Schema::new(fields);
    let event_time = match &operator.event_time {
        Some(wanted) => column::event_time(checker, wanted, &schema, name, &at),
        None => None,
    };
    if checker.problems.len() > before {
        return None;
    }
    let windows = windows?;
    let has_event_time = ends || read.has_event_time || event_time.is_some();
    let outputs = vec![
        Output { name: String::new(), schema, has_event_time },
        Output { name: "errors".into(), schema: errors_schema(), has_event_time: false },
        Output { name: "late".into(), schema: read.schema, has_event_time: read.has_event_time },
    ];
    let kind = NodeKind::Window(WindowNode {
        key,
        windows,
        time,
        allowed_lateness_ms: lateness.map_or(0, |m| m.0),
        trigger,
        marks_results,
        aggregates,
        on_error: operator.on_error.unwrap_or_default(),
        event_time,
    });
    Some(Node { name: name.into(), kind, inputs: vec![input], outputs })
}

/// Returns the trigger; `None` if there is none, or after a problem.
fn trigger(operator: &spec::Operator, windows: Windows, at: &At, problems: &mut Vec<Problem>) -> Option<Trigger> {
    let at = at.field("trigger");
    let wanted = operator.trigger.as_ref()?;
    let mut wrong = |at: At, message: &str, help: &str| {
        problems.push(Problem::error(at, message).on_key().help(help));
        None
    };
    match (wanted.count, wanted.every, windows) {
        (_, _, Windows::Rows { .. }) => wrong(
            at,
            "windows by number of rows emit a result when they are full; they have no trigger",
            "leave it out",
        ),
        (Some(0), None, _) => wrong(at.field("count"), "must be at least 1", "`trigger: { count: 100 }`"),
        (Some(_), None, Windows::Time { size_ms, slide_ms }) if size_ms != slide_ms => wrong(
            at.field("count"),
            "sliding windows cannot fire by number of rows: each row is in several of them",
            "use `every`, or tumbling windows",
        ),
        (Some(_), None, Windows::Session { .. }) => wrong(
            at.field("count"),
            "session windows cannot fire by number of rows: sessions merge when a row arrives between them",
            "use `every`",
        ),
        (Some(count), None, _) => Some(Trigger::Count(count)),
        (None, Some(Millis(ms)), _) if ms <= 0 => {
            wrong(at.field("every"), "`every` must be greater than 0", "`trigger: { every: 10s }`")
        }
        (None, Some(Millis(ms)), _) => Some(Trigger::Every(ms)),
        _ => wrong(at, "a trigger is one of `count` and `every`", "`trigger: { every: 10s }`"),
    }
}
