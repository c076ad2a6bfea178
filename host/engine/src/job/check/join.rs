//! Operators that join two inputs.

use super::checker::Checker;
use super::function::{self, WantedInput};
use super::join_bound::{self, Sides};
use super::operator::{refuse, two_inputs};
use super::pair::{self, Made, is_left_only, keeps_left, keeps_right};
use super::transform::errors_output;
use super::{column, key};
use crate::job::graph::{JoinBound, JoinNode, Node, NodeKind, Output, PairOutput, PluginFunction};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use crate::job::spec::{JoinType, WindowTime};
use flowgate_base::schema::Schema;
use flowgate_wall::binding::Kind;

/// Names of the side outputs that every join has.
const OWN_OUTPUTS: [&str; 3] = ["errors", "late", "late_right"];

/// Returns the node of an operator with `join`; `None` after a problem.
pub(super) fn check_join(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    let before = checker.problems.len();
    let others = ["aggregate", "trigger"];
    let help = "let a window read this operator";
    refuse(checker, &at, operator, &others, &format!("belongs to a window; `{name}` is a join"), help);
    if operator.plugin.is_none() {
        let others = ["function", "config", "columns", "files"];
        let help = "a join function over the pairs is `plugin: NAME` and `function: NAME`";
        refuse(
            checker,
            &at,
            operator,
            &others,
            &format!("belongs to a plugin's function; `{name}` has no `plugin`"),
            help,
        );
    }
    let Some(join) = operator.join else {
        let message = format!("`{name}` has `within`, but does not say which rows the join emits");
        let help = "`join: inner` emits pairs; others are left, right, full, semi and anti";
        checker.error(Problem::error(at.field("within"), message).on_key().help(help));
        return None;
    };
    let [left, right] = two_inputs(checker, name, operator)?;
    if operator.key.as_ref().is_none_or(Vec::is_empty) {
        let help = "name the columns that must be equal: `key: [user]`, or `key: [{ left: seller, right: id }]`";
        checker.error(Problem::error(at.clone(), format!("`{name}` joins without `key`")).on_key().help(help));
    }
    let (left_schema, right_schema) = (&left.2.schema, &right.2.schema);
    let keys = key::pairs(checker, operator, (left.0, left_schema), (right.0, right_schema), &at);
    let sides = Sides { left: (left.0, left.2.has_event_time), right: (right.0, right.2.has_event_time) };
    let bound = join_bound::bound(checker, operator, join, &sides, &at);
    let windowed = matches!(bound, Some(JoinBound::Window { .. }));
    let pair = match pair::columns(join, &keys, left_schema, right_schema, windowed) {
        Ok(pair) => pair,
        Err(twice) => {
            let message = format!("two columns of the result would be called `{twice}`");
            let help = "let a plugin's transform before the join rename one; a semi join emits only the left columns";
            checker.error(Problem::error(at.clone(), message).on_key().help(help));
            return None;
        }
    };
    let function = join_function(checker, name, operator, join, [(left.0, left_schema), (right.0, right_schema)], &at);
    if checker.problems.len() > before {
        return None;
    }
    let bound = bound?;
    let has_event_time = match bound {
        JoinBound::Window { .. } | JoinBound::Interval { .. } => true,
        JoinBound::Unbounded { .. } => left.2.has_event_time && right.2.has_event_time,
    };
    let late = |name: &str, of: &Output| Output { name: name.into(), ..of.clone() };
    let (main, function, sides) = outputs(&pair, function, has_event_time);
    let mut outputs = vec![main, errors_output(), late("late", &left.2), late("late_right", &right.2)];
    outputs.extend(sides);
    let event_time = match &operator.event_time {
        Some(wanted) => Some(column::event_time(checker, wanted, &outputs[0].schema, name, &at)?),
        None => None,
    };
    outputs[0].has_event_time |= event_time.is_some();
    if checker.problems.len() > before {
        return None;
    }
    let kind = NodeKind::Join(JoinNode {
        keys,
        join,
        bound,
        columns: pair.into_iter().map(|(_, column)| column).collect(),
        function,
        // The default is `skip`.
        on_error: operator.on_error.unwrap_or_default(),
        event_time,
    });
    Some(Node { name: name.into(), kind, inputs: vec![left.1, right.1], outputs })
}

/// A join function and its outputs.
type Composed = (PluginFunction, Vec<PairOutput>);

/// Returns the main output, the function with its outputs, and the side outputs.
fn outputs(
    pair: &[Made],
    function: Option<PluginFunction>,
    has_event_time: bool,
) -> (Output, Option<Composed>, Vec<Output>) {
    let output = |name: &str, schema: Schema| Output { name: name.into(), schema, has_event_time };
    let Some(function) = function else {
        let schema = Schema::new(pair.iter().map(|(field, _)| field.clone()).collect());
        return (output("", schema), None, Vec::new());
    };
    let mut made = Vec::new();
    let mut composed = Vec::new();
    for (i, binding) in function.binding.outputs.iter().enumerate() {
        let (schema, columns) = pair::compose(binding, pair);
        // The outputs that every join has follow the main output.
        let place = if i == 0 { 0 } else { OWN_OUTPUTS.len() + i };
        composed.push(PairOutput { output: place, columns });
        made.push(output(&binding.name, schema));
    }
    let sides = made.split_off(1.min(made.len()));
    let main = made.pop().unwrap_or_else(|| output("", Schema::default()));
    (main, Some((function, composed)), sides)
}

/// Opens the plugin's function over the pairs; `None` if there is none, or after a problem.
fn join_function(
    checker: &mut Checker<'_>,
    name: &str,
    operator: &spec::Operator,
    join: JoinType,
    inputs: [(&str, &Schema); 2],
    at: &At,
) -> Option<PluginFunction> {
    operator.plugin.as_ref()?;
    if is_left_only(join) {
        let message = "a semi or anti join emits left rows, not pairs: it has no input for a join function";
        let help = "let an operator of its own read the join";
        checker.error(Problem::error(at.field("plugin"), message).on_key().help(help));
        return None;
    }
    // A row without a pair has no values on the other side.
    let absent = [keeps_right(join), keeps_left(join)];
    let schemas: Vec<Schema> = inputs
        .iter()
        .zip(absent)
        .map(|((_, schema), absent)| {
            let mut schema = Schema::clone(schema);
            schema.fields.iter_mut().for_each(|field| field.nullable |= absent);
            schema
        })
        .collect();
    let wanted = inputs.iter().zip(&schemas).map(|((name, _), schema)| WantedInput { name, schema }).collect();
    let function = function::open_of_operator(checker, name, operator, Kind::Join, wanted)?;
    if let Some(taken) = function.binding.outputs.iter().find(|o| OWN_OUTPUTS.contains(&o.name.as_str())) {
        let message = format!(
            "`{}/{}` has an output `{}`, which is one of the join's own",
            function.plugin, function.function, taken.name
        );
        checker.error(Problem::error(at.field("function"), message));
        return None;
    }
    Some(function)
}

/// Whether a join of this bound uses event time.
pub(super) fn needs_event_time(bound: &JoinBound) -> bool {
    match bound {
        JoinBound::Window { time, .. } => *time == WindowTime::Event,
        JoinBound::Interval { .. } => true,
        JoinBound::Unbounded { .. } => false,
    }
}
