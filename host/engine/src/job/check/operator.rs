//! The kind of an operator, by its settings, and its inputs.

use super::checker::Checker;
use super::{join, lookup, process, select, transform, union, window};
use crate::job::graph::{Input, Node, Output};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use flowgate_wall::binding::Kind;

/// Returns the node of an operator; `None` after a problem.
pub(super) fn check_operator(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    if !operator.union.is_empty() {
        return union::check_union(checker, name, operator);
    }
    if operator.select.is_some() {
        return select::check_select(checker, name, operator);
    }
    if operator.lookup.is_some() {
        return lookup::check_lookup(checker, name, operator);
    }
    if operator.join.is_some() || operator.within.is_some() {
        return join::check_join(checker, name, operator);
    }
    match (&operator.window, &operator.plugin) {
        (Some(_), Some(_)) => {
            let message = format!("`{name}` has both `plugin` and `window`");
            let help = "an operator is one of them: let the window read the plugin's operator";
            checker.error(Problem::error(at, message).on_key().help(help));
            None
        }
        (None, Some(plugin)) if kind(checker, name, plugin, operator.function.as_deref()) == Some(Kind::Process) => {
            process::check_process(checker, name, operator)
        }
        (None, Some(_)) => transform::check_transform(checker, name, operator),
        (Some(_), None) => window::check_window(checker, name, operator),
        (None, None) if operator.inputs.len() > 1 => {
            let message = format!("`{name}` has two inputs, but no setting that needs two");
            let help = "a join is `join: inner` and `key: [...]`; rows of inputs with the same columns become one stream \
                        by `union: [...]`";
            checker.error(Problem::error(at.field("inputs"), message).on_key().help(help));
            None
        }
        (None, None) => {
            let message = format!("`{name}` has neither `plugin` nor `window`");
            let help = "a plugin's function is `plugin: NAME` and `function: NAME`; an aggregation is `window: { \
                        tumbling: 10s }` and `aggregate: { rows: count() }`; some columns are `select: [COLUMN, ...]`";
            checker.error(Problem::error(at, message).on_key().help(help));
            None
        }
    }
}

/// Returns the kind of a plugin's function, if the function exists. Adds no problem.
fn kind(checker: &mut Checker<'_>, name: &str, plugin: &str, function: Option<&str>) -> Option<Kind> {
    let path = checker.around.find_plugin(name, plugin, checker.job.plugins.get(plugin)).ok()?;
    let functions = checker.functions(&path).ok()?;
    functions.iter().find(|f| Some(f.name.as_str()) == function).map(|f| f.kind)
}

/// Adds a problem for each setting in `fields` that the operator has: these do not belong to its kind.
pub(super) fn refuse(
    checker: &mut Checker<'_>,
    at: &At,
    operator: &spec::Operator,
    fields: &[&str],
    message: &str,
    help: &str,
) {
    for field in operator.settings().into_iter().filter(|field| fields.contains(field)) {
        let message = format!("`{field}` {message}");
        checker.error(Problem::error(at.field(field), message).on_key().help(help));
    }
}

/// Adds a problem for each setting of the operator that is not in `own`.
pub(super) fn refuse_others(
    checker: &mut Checker<'_>,
    at: &At,
    operator: &spec::Operator,
    own: &[&str],
    message: &str,
    help: &str,
) {
    let others: Vec<&str> = operator.settings().into_iter().filter(|field| !own.contains(field)).collect();
    refuse(checker, at, operator, &others, message, help);
}

/// Returns the input of an operator that has one: its name, and the output that it reads.
pub(super) fn one_input<'a>(
    checker: &mut Checker<'_>,
    name: &str,
    operator: &'a spec::Operator,
) -> Option<(&'a str, Input, Output)> {
    let at = At::job().field("operators").field(name);
    match (&operator.input, &operator.inputs[..]) {
        (Some(input), []) => {
            let (read, output) = checker.input(input, at.field("input"))?;
            Some((input, read, output))
        }
        (Some(_), _) => {
            let message = format!("`{name}` has both `input` and `inputs`");
            checker.error(Problem::error(at.field("inputs"), message).on_key());
            None
        }
        (None, []) => {
            let help = "`input: NAME` names a source or another operator";
            checker.error(Problem::error(at, format!("`{name}` has no input")).on_key().help(help));
            None
        }
        (None, _) => {
            let help = "use `input: NAME`; two streams become one by an operator with `union: [...]`";
            let message = format!("`{name}` reads one input, not a list of them");
            checker.error(Problem::error(at.field("inputs"), message).on_key().help(help));
            None
        }
    }
}

/// An input: its name in the job, its position in the graph, and the output that it reads.
pub(super) type Named<'a> = (&'a str, Input, Output);

/// Returns the inputs of an operator that has two.
pub(super) fn two_inputs<'a>(
    checker: &mut Checker<'_>,
    name: &str,
    operator: &'a spec::Operator,
) -> Option<[Named<'a>; 2]> {
    let at = At::job().field("operators").field(name);
    let [left, right] = &operator.inputs[..] else {
        let message = match (operator.inputs.len(), &operator.input) {
            (0, Some(_)) => format!("`{name}` joins two inputs; `input` names one"),
            (n, _) => format!("`{name}` joins two inputs, {n} given"),
        };
        let help = "write them as `inputs: [LEFT, RIGHT]`";
        checker.error(Problem::error(at, message).on_key().help(help));
        return None;
    };
    if operator.input.is_some() {
        let message = format!("`{name}` has both `input` and `inputs`");
        checker.error(Problem::error(at.field("input"), message).on_key());
        return None;
    }
    let first = checker.input(left, at.field("inputs").field(0usize));
    let second = checker.input(right, at.field("inputs").field(1usize));
    let ((left_read, left_output), (right_read, right_output)) = (first?, second?);
    Some([(left, left_read, left_output), (right, right_read, right_output)])
}
