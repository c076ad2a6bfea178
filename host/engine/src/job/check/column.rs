//! Columns by name, and the column of event time.

use super::checker::Checker;
use crate::job::graph::EventTimeColumn;
use crate::job::problem::{At, Problem, suggestion};
use crate::job::spec;
use flowgate_base::schema::{DataType, Field, Schema};

/// Lists the columns of a schema for a message: `time: timestamp, path: text`.
pub(super) fn listed(schema: &Schema) -> String {
    if schema.fields.is_empty() { "there are no columns".into() } else { format!("columns: {schema}") }
}

/// Returns the position of a column, or the error that it does not exist.
pub(super) fn find(schema: &Schema, name: &str, of: &str, at: At) -> Result<usize, Problem> {
    schema.index_of(name).ok_or_else(|| {
        let names = schema.fields.iter().map(|f| f.name.as_str());
        let near = suggestion(name, "columns", names);
        let help = if near.starts_with("did") { format!("{near} {}", listed(schema)) } else { listed(schema) };
        Problem::error(at, format!("{of} has no column `{name}`")).help(help)
    })
}

/// Returns the event time on a column of `schema`, which is the main output of the node at `at`; `None` after a problem.
pub(super) fn event_time(
    checker: &mut Checker<'_>,
    event_time: &spec::EventTime,
    schema: &Schema,
    name: &str,
    at: &At,
) -> Option<EventTimeColumn> {
    let at = at.field("event_time");
    let column = match find(schema, &event_time.column, &format!("`{name}`"), at.field("column")) {
        Ok(column) => Some(column),
        Err(problem) => {
            checker.error(problem);
            None
        }
    };
    let column = column.filter(|c| {
        let field = &schema.fields[*c];
        let wrong = match field {
            Field { data_type: DataType::Timestamp, nullable: false, .. } => return true,
            Field { data_type: DataType::Timestamp, .. } => {
                "may have no value; event time must be there in every row".to_string()
            }
            _ => format!("is {}; event time must be a timestamp", field.type_name()),
        };
        checker.error(Problem::error(at.field("column"), format!("column `{}` {wrong}", field.name)));
        false
    });
    let lateness = event_time.max_out_of_orderness.map_or(0, |m| m.0);
    if lateness < 0 {
        checker.error(Problem::error(at.field("max_out_of_orderness"), "cannot be negative"));
    }
    let idle = event_time.idle_after.map(|m| m.0);
    if idle.is_some_and(|ms| ms <= 0) {
        checker.error(Problem::error(at.field("idle_after"), "`idle_after` must be greater than 0"));
    }
    Some(EventTimeColumn { column: column?, max_out_of_orderness_ms: lateness, idle_after_ms: idle })
}
