//! Operators that aggregate windows.

use std::collections::BTreeMap;

use super::aggregate;
use super::checker::Checker;
use super::column::{self, find};
use crate::job::graph::{Node, NodeKind, Output, WindowNode, errors_schema};
use crate::job::problem::{At, Problem};
use crate::job::quantity::Millis;
use crate::job::spec::{self, WindowTime};
use crate::schema::{DataType, Field, Schema};

/// Windows in which one row can be at the most.
const WINDOWS_PER_ROW_MAX: i64 = 10_000;

/// The node of an operator with `window`; none where something is wrong.
pub(super) fn check_window(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    let before = checker.problems.len();
    for (field, is_set) in [
        ("function", operator.function.is_some()),
        ("config", operator.config.is_some()),
        ("columns", !operator.columns.is_empty()),
        ("files", !operator.files.is_empty()),
    ] {
        if is_set {
            let message = format!("`{field}` belongs to a plugin's function; `{name}` is a window");
            let help =
                "an aggregate with its own config is `aggregate: { NAME: { plugin, function, columns, config } }`";
            checker.error(Problem::error(at.field(field), message).on_key().help(help));
        }
    }
    let window = operator.window.as_ref()?;
    let lengths = lengths(window, &at.field("window"), &mut checker.problems);
    let time = window.time.unwrap_or_default();
    let lateness = operator.allowed_lateness;
    if let Some(Millis(ms)) = lateness {
        let at = at.field("allowed_lateness");
        if time == WindowTime::Processing {
            let message = "windows in processing time have no late rows";
            checker.error(Problem::error(at, message).on_key().help("leave it out, or use `time: event`"));
        } else if ms < 0 {
            checker.error(Problem::error(at, "cannot be negative"));
        }
    }
    if operator.aggregate.is_empty() {
        let message = format!("window `{name}` computes nothing");
        let help = "give it a result, as `aggregate: { rows: count() }`";
        checker.error(Problem::error(at.clone(), message).on_key().help(help));
    }
    let (input, read) = checker.input(&operator.input, &at)?;
    if time == WindowTime::Event && !read.has_event_time {
        let message = format!("`{}` has no event time, which this window needs", operator.input);
        let help = format!(
            "give `{}` an `event_time: {{ column: ..., max_out_of_orderness: 5s }}`, or use `time: processing` here",
            operator.input.split('.').next().unwrap_or_default()
        );
        checker.error(Problem::error(at.field("window"), message).on_key().help(help));
    }
    let key = key(checker, operator, &read.schema, &at);
    let mut fields: Vec<Field> = key.iter().map(|i| read.schema.fields[*i].clone()).collect();
    fields.push(Field::new("window_start", DataType::Timestamp));
    fields.push(Field::new("window_end", DataType::Timestamp));
    let mut aggregates = Vec::new();
    let mut places: BTreeMap<String, String> =
        fields.iter().map(|f| (f.name.clone(), "the window's own columns and its key".into())).collect();
    for (result, wanted) in &operator.aggregate {
        let place = at.field("aggregate").field(result);
        let Some((aggregate, made)) =
            aggregate::check_aggregate(checker, name, result, wanted, &operator.input, &read.schema, &place)
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
    let (size_ms, slide_ms) = lengths?;
    let outputs = vec![
        Output { name: String::new(), schema, has_event_time: true },
        Output { name: "errors".into(), schema: errors_schema(), has_event_time: false },
        Output { name: "late".into(), schema: read.schema, has_event_time: read.has_event_time },
    ];
    let kind = NodeKind::Window(WindowNode {
        key,
        size_ms,
        slide_ms,
        time,
        allowed_lateness_ms: lateness.map_or(0, |m| m.0),
        aggregates,
        on_error: operator.on_error.unwrap_or_default(),
        event_time,
    });
    Some(Node { name: name.into(), kind, inputs: vec![input], outputs })
}

/// Size and slide in milliseconds.
fn lengths(window: &spec::Window, at: &At, problems: &mut Vec<Problem>) -> Option<(i64, i64)> {
    let before = problems.len();
    let mut positive = |field: &str, length: Option<Millis>| {
        let Millis(ms) = length?;
        if ms <= 0 {
            problems.push(Problem::error(at.field(field), format!("`{field}` must be longer than nothing")));
        }
        Some(ms)
    };
    let tumbling = positive("tumbling", window.tumbling);
    let sliding = positive("sliding", window.sliding);
    let every = positive("every", window.every);
    let lengths = match (tumbling, sliding, every) {
        (Some(size), None, None) => Some((size, size)),
        (None, Some(size), Some(slide)) => Some((size, slide)),
        (None, Some(size), None) => {
            let help =
                format!("`{{ sliding: {0}, every: ... }}`, or `{{ tumbling: {0} }}` without overlap", Millis(size));
            problems.push(Problem::error(at.clone(), "sliding windows need `every`").on_key().help(help));
            None
        }
        (Some(_), None, Some(_)) => {
            let message = "`every` belongs to `sliding`; tumbling windows follow one another";
            problems.push(Problem::error(at.field("every"), message).on_key());
            None
        }
        (Some(_), Some(_), _) => {
            problems.push(Problem::error(at.clone(), "a window is either `tumbling` or `sliding`").on_key());
            None
        }
        (None, None, _) => {
            let help = "`{ tumbling: 10s }`, or `{ sliding: 10s, every: 5s }`";
            problems.push(Problem::error(at.clone(), "a window needs a length").on_key().help(help));
            None
        }
    };
    let (size, slide) = lengths.filter(|_| problems.len() == before)?;
    if slide > size {
        let message = format!("a window every {} of only {} leaves gaps", Millis(slide), Millis(size));
        problems.push(Problem::error(at.field("every"), message).help("`every` must not be longer than `sliding`"));
        return None;
    }
    let windows = (size - 1) / slide + 1;
    if windows > WINDOWS_PER_ROW_MAX {
        let message = format!("each row would be in {windows} windows; at most {WINDOWS_PER_ROW_MAX} are possible");
        problems.push(Problem::error(at.field("every"), message).help("make `every` longer"));
        return None;
    }
    Some((size, slide))
}

fn key(checker: &mut Checker<'_>, operator: &spec::Operator, schema: &Schema, at: &At) -> Vec<usize> {
    let mut key = Vec::new();
    let of = format!("`{}`", operator.input);
    for (i, name) in operator.key.iter().flatten().enumerate() {
        let place = at.field("key").field(i);
        let column = match find(schema, name, &of, place.clone()) {
            Ok(column) => column,
            Err(problem) => {
                checker.error(problem);
                continue;
            }
        };
        let reason = match schema.fields[column].data_type {
            DataType::Float64 => Some("float64 values that look equal may differ in their last bit"),
            DataType::Json => Some("equal JSON values may be written differently"),
            _ => None,
        };
        if let Some(reason) = reason {
            let message = format!("`{name}` is {} and cannot be a key: {reason}", schema.fields[column].type_name());
            checker.error(Problem::error(place, message).help("keys are text, int64, boolean, timestamp or bytes"));
        } else if key.contains(&column) {
            checker.error(Problem::error(place, format!("`{name}` is in the key already")));
        } else {
            key.push(column);
        }
    }
    key
}
