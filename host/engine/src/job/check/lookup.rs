//! Operators that join a stream with a table file.

use super::checker::Checker;
use super::operator::{one_input, refuse_others};
use super::transform::errors_output;
use super::{column, key, pair};
use crate::job::graph::{LookupNode, Node, NodeKind, Output};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use crate::job::spec::JoinType;
use flowgate_base::schema::Schema;
use flowgate_connect::table_schema;

/// Returns the node of an operator with `lookup`; `None` after a problem.
pub(super) fn check_lookup(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    let before = checker.problems.len();
    let own = ["input", "inputs", "key", "join", "lookup", "event_time"];
    let help = "let an operator of its own read this one";
    let message = format!("does not belong to a join with a table; `{name}` is one");
    refuse_others(checker, &at, operator, &own, &message, help);
    let lookup = operator.lookup.as_ref()?;
    let (input_name, input, read) = one_input(checker, name, operator)?;
    let join = operator.join.unwrap_or(JoinType::Inner);
    if matches!(join, JoinType::Right | JoinType::Full) {
        let message = "rows of the table alone cannot be emitted: a row of the stream may always still match";
        let help = "a join with a table is inner, left, semi or anti";
        checker.error(Problem::error(at.field("join"), message).help(help));
    }
    let schema = match table_schema(lookup) {
        Ok(schema) => schema,
        Err(wrong) => {
            wrong.into_iter().for_each(|wrong| checker.error(Problem::of_settings(&at.field("lookup"), wrong)));
            return None;
        }
    };
    if operator.key.as_ref().is_none_or(Vec::is_empty) {
        let help = "name the columns that must be equal: `key: [item]`, or `key: [{ left: item, right: id }]`";
        checker.error(Problem::error(at.clone(), format!("`{name}` joins without `key`")).on_key().help(help));
    }
    let keys = key::pairs(checker, operator, (input_name, &read.schema), (&lookup.path, &schema), &at);
    let columns = match pair::columns(join, &keys, &read.schema, &schema, false) {
        Ok(columns) => columns,
        Err(twice) => {
            let message = format!("two columns of the result would be called `{twice}`");
            checker.error(Problem::error(at.field("lookup"), message).on_key().help("rename a column of the table"));
            return None;
        }
    };
    if checker.problems.len() > before {
        return None;
    }
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let main_schema = Schema::new(fields);
    let event_time = match &operator.event_time {
        Some(wanted) => Some(column::event_time(checker, wanted, &main_schema, name, &at)?),
        None => None,
    };
    if checker.problems.len() > before {
        return None;
    }
    let has_event_time = read.has_event_time || event_time.is_some();
    let outputs = vec![Output { name: String::new(), schema: main_schema, has_event_time }, errors_output()];
    let path = checker.around.base.join(&lookup.path).to_string_lossy().into_owned();
    let table = spec::LookupTable { path, ..lookup.clone() };
    let kind = NodeKind::Lookup(LookupNode { keys, join, table, schema, columns, event_time });
    Some(Node { name: name.into(), kind, inputs: vec![input], outputs })
}
