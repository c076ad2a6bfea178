//! Operators that unite streams.

use super::checker::Checker;
use super::column;
use super::operator::refuse_others;
use crate::job::graph::{Node, NodeKind, Output, UnionNode};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use flowgate_base::schema::Field;

/// Returns the node of an operator with `union`; `None` after a problem.
pub(super) fn check_union(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    let before = checker.problems.len();
    let help = "a union has `union: [...]` alone; let another operator read it";
    let message = format!("does not belong to a union; `{name}` is one");
    refuse_others(checker, &at, operator, &["union", "event_time"], &message, help);
    let union_at = at.field("union");
    let read: Vec<_> = operator
        .union
        .iter()
        .enumerate()
        .map(|(i, input)| checker.input(input, union_at.field(i)))
        .collect::<Option<Vec<_>>>()?;
    let (_, first) = read.first()?;
    let mut fields: Vec<Field> = first.schema.fields.clone();
    let mut has_event_time = first.has_event_time;
    for (i, (_, output)) in read.iter().enumerate().skip(1) {
        let alike = fields.len() == output.schema.fields.len()
            && fields.iter().zip(&output.schema.fields).all(|(a, b)| a.name == b.name && a.data_type == b.data_type);
        if !alike {
            let (one, other) = (&operator.union[0], &operator.union[i]);
            let message = format!("`{other}` has other columns than `{one}`");
            let help = format!("`{one}`: {}\n`{other}`: {}", first.schema, output.schema);
            checker.error(Problem::error(union_at.field(i), message).help(help));
            continue;
        }
        // A column is nullable if it is on any input.
        for (field, other) in fields.iter_mut().zip(&output.schema.fields) {
            field.nullable |= other.nullable;
        }
        has_event_time &= output.has_event_time;
    }
    let schema = flowgate_base::schema::Schema::new(fields);
    let event_time = match &operator.event_time {
        Some(wanted) => column::event_time(checker, wanted, &schema, name, &at),
        None => None,
    };
    if checker.problems.len() > before {
        return None;
    }
    let mut outputs =
        vec![Output { name: String::new(), schema, has_event_time: has_event_time || event_time.is_some() }];
    if event_time.is_some() {
        outputs.push(super::transform::errors_output());
    }
    let inputs = read.into_iter().map(|(input, _)| input).collect();
    Some(Node { name: name.into(), kind: NodeKind::Union(UnionNode { event_time }), inputs, outputs })
}
