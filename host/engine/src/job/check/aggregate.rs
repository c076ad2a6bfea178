//! The aggregates of a window.

use indexmap::IndexMap;

use super::built_in_aggregate::BuiltInCall;
use super::checker::Checker;
use super::expression::{self, Argument, Call, Called};
use super::function::{self, ColumnMatching, Wanted, WantedInput, WantedPlaces};
use crate::job::graph::{Aggregate, AggregateColumn};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use flowgate_base::schema::{Field, Schema};
use flowgate_wall::binding::Kind;

/// Returns an aggregate and its result columns; `None` after a problem.
pub(super) fn check_aggregate(
    checker: &mut Checker<'_>,
    operator: &str,
    name: &str,
    wanted: &spec::Aggregate,
    input_name: &str,
    input: &Schema,
    at: &At,
) -> Option<(AggregateColumn, Vec<Field>)> {
    if name.is_empty() || name.len() > 255 {
        checker.error(Problem::error(at.clone(), "a column's name has 1 to 255 bytes").on_key());
        return None;
    }
    let plugin = |config, plugin, function, arguments: Vec<Argument>, by_name, places| Wanted {
        operator,
        plugin,
        function,
        kind: Kind::Aggregate,
        config,
        files: None,
        inputs: vec![WantedInput { name: input_name, schema: input }],
        columns: if arguments.is_empty() {
            ColumnMatching::Named(by_name)
        } else {
            ColumnMatching::Positional(arguments)
        },
        places,
    };
    let by_name = IndexMap::new();
    let wanted = match wanted {
        spec::Aggregate::Expression(text) => {
            let Call { function, arguments, config } = match expression::parse(text) {
                Ok(call) => call,
                Err(wrong) => {
                    checker.error(Problem::error(at.clone(), wrong.message).at_offset(wrong.at));
                    return None;
                }
            };
            match &function {
                Called::BuiltIn(function) => {
                    let call = BuiltInCall {
                        function,
                        arguments: &arguments,
                        settings: config.as_ref(),
                        input_name,
                        input,
                        at,
                    };
                    let (aggregate, filter, field) = call.check().map_err(|problem| checker.error(problem)).ok()?;
                    return Some((
                        AggregateColumn { name: name.into(), aggregate, filter },
                        vec![Field { name: name.into(), ..field }],
                    ));
                }
                Called::Plugin { plugin: plugin_name, plugin_at, function, function_at } => {
                    let places = WantedPlaces {
                        operator: at.clone(),
                        plugin: (at.clone(), Some(*plugin_at)),
                        function: (at.clone(), Some(*function_at)),
                        columns: at.clone(),
                        config: at.clone(),
                    };
                    let wanted = plugin(config.as_ref(), plugin_name, function, arguments, &by_name, places);
                    function::open(checker, &wanted)?
                }
            }
        }
        spec::Aggregate::Plugin(spec) => {
            let arguments = spec.columns.iter().map(|c| Argument { column: c.clone(), at: 0 }).collect();
            let places = WantedPlaces {
                operator: at.clone(),
                plugin: (at.field("plugin"), None),
                function: (at.field("function"), None),
                columns: at.field("columns"),
                config: at.field("config"),
            };
            let wanted = plugin(spec.config.as_ref(), &spec.plugin, &spec.function, arguments, &by_name, places);
            function::open(checker, &wanted)?
        }
    };
    let made = &wanted.binding.outputs.first()?.columns;
    let fields = match &made[..] {
        [one] => vec![Field { name: name.into(), ..one.clone() }],
        several => several.iter().map(|f| Field { name: format!("{name}_{}", f.name), ..f.clone() }).collect(),
    };
    Some((AggregateColumn { name: name.into(), aggregate: Aggregate::Plugin(wanted), filter: None }, fields))
}
