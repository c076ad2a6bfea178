//! Operators that select columns.

use super::checker::Checker;
use super::column;
use super::operator::{one_input, refuse_others};
use crate::job::graph::{Node, NodeKind, Output, SelectNode};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use crate::job::spec::Select;
use flowgate_base::schema::{Field, Schema};

/// Returns the node of an operator with `select`; `None` after a problem.
pub(super) fn check_select(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    let before = checker.problems.len();
    let help = "an operator with `select` does nothing else: let it read the other one, or the other one read it";
    let message = format!("does not belong to a selection of columns; `{name}` is one");
    refuse_others(checker, &at, operator, &["input", "inputs", "select", "event_time"], &message, help);
    let (input_name, input, read) = one_input(checker, name, operator)?;
    let select = operator.select.as_ref()?;
    let wanted = select.columns();
    let at_select = at.field("select");
    if wanted.is_empty() {
        let message = format!("`{name}` selects no column");
        checker.error(Problem::error(at_select.clone(), message).on_key().help(column::listed(&read.schema)));
    }
    let (mut columns, mut fields) = (Vec::new(), Vec::<Field>::new());
    for (i, (new, old)) in wanted.into_iter().enumerate() {
        let at = match select {
            Select::Names(_) => at_select.field(i),
            Select::Renamed(_) => at_select.field(new),
        };
        if new.is_empty() {
            checker.error(Problem::error(at, "a column needs a name").on_key());
            continue;
        }
        if fields.iter().any(|field| field.name == new) {
            let help =
                format!("each column once; twice it has a name of its own: `select: {{ {new}: {old}, NAME: {old} }}`");
            checker.error(Problem::error(at, format!("`{new}` is selected twice")).help(help));
            continue;
        }
        match column::find(&read.schema, old, &format!("`{input_name}`"), at) {
            Ok(column) => {
                columns.push(column);
                fields.push(Field { name: new.into(), ..read.schema.fields[column].clone() });
            }
            Err(problem) => checker.error(problem),
        }
    }
    // A missing column is not reported a second time as the event time.
    if checker.problems.len() > before {
        return None;
    }
    let schema = Schema::new(fields);
    let event_time = match &operator.event_time {
        Some(wanted) => Some(column::event_time(checker, wanted, &schema, name, &at)?),
        None => None,
    };
    let has_event_time = read.has_event_time || event_time.is_some();
    let mut outputs = vec![Output { name: String::new(), schema, has_event_time }];
    if event_time.is_some() {
        outputs.push(super::transform::errors_output());
    }
    let kind = NodeKind::Select(SelectNode { columns, event_time });
    Some(Node { name: name.into(), kind, inputs: vec![input], outputs })
}
