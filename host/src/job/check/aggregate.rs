//! The results of a window.

use indexmap::IndexMap;

use super::checker::Checker;
use super::column::find;
use super::expression::{self, Argument, Call, Called};
use super::function::{self, Columns, Places, Wanted};
use crate::job::graph::{Aggregate, AggregateColumn};
use crate::job::problem::{At, Problem, suggestion};
use crate::job::spec;
use crate::plugin::binding::Kind;
use crate::schema::{DataType, Field, Schema};

/// The aggregates that need no plugin.
const OWN: [&str; 5] = ["count", "sum", "min", "max", "avg"];

/// One aggregate and the columns that it gives; none where something is wrong.
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
        columns: if arguments.is_empty() { Columns::Named(by_name) } else { Columns::Positional(arguments) },
        input_name,
        input,
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
                Called::Own(function) => {
                    let (aggregate, field) = own(function, &arguments, input_name, input, at)
                        .map_err(|problem| checker.error(problem))
                        .ok()?;
                    return Some((
                        AggregateColumn { name: name.into(), aggregate },
                        vec![Field { name: name.into(), ..field }],
                    ));
                }
                Called::Plugin { plugin: plugin_name, plugin_at, function, function_at } => {
                    let places = Places {
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
            let places = Places {
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
    Some((AggregateColumn { name: name.into(), aggregate: Aggregate::Plugin(wanted) }, fields))
}

/// One of our own aggregates, and the field of its result (whose name is not set).
fn own(
    function: &str,
    arguments: &[Argument],
    input_name: &str,
    input: &Schema,
    at: &At,
) -> Result<(Aggregate, Field), Problem> {
    if !OWN.contains(&function) {
        let help = format!(
            "{}; a plugin's aggregate is `plugin:NAME/{function}(...)`",
            suggestion(function, "aggregates", OWN).trim_end_matches('?')
        );
        return Err(Problem::error(at.clone(), format!("unknown aggregate `{function}`")).at_offset(0).help(help));
    }
    let most_args = 1;
    let least_args = usize::from(function != "count");
    if !(least_args..=most_args).contains(&arguments.len()) {
        let takes = if function == "count" { "no column or one" } else { "one column" };
        let message = format!("`{function}` takes {takes}, {} given", arguments.len());
        return Err(Problem::error(at.clone(), message).at_offset(0));
    }
    let Some(argument) = arguments.first() else {
        return Ok((Aggregate::Count(None), Field::new("", DataType::Int64)));
    };
    let column = find(input, &argument.column, &format!("`{input_name}`"), at.clone())
        .map_err(|problem| problem.at_offset(argument.at))?;
    let field = &input.fields[column];
    let refuse = |wants: &str| {
        let message = format!("`{function}` takes {wants}, but `{}` is {}", field.name, field.type_name());
        Problem::error(at.clone(), message).at_offset(argument.at)
    };
    let is_number = matches!(field.data_type, DataType::Int64 | DataType::Float64);
    let is_ordered = !matches!(field.data_type, DataType::Json | DataType::Bytes);
    let result = |data_type| Field { name: String::new(), data_type, nullable: field.nullable };
    match function {
        "count" => Ok((Aggregate::Count(Some(column)), Field::new("", DataType::Int64))),
        "sum" if is_number => Ok((Aggregate::Sum(column), result(field.data_type))),
        "avg" if is_number => Ok((Aggregate::Avg(column), result(DataType::Float64))),
        "sum" | "avg" => Err(refuse("an int64 or float64 column")),
        "min" if is_ordered => Ok((Aggregate::Min(column), result(field.data_type))),
        "max" if is_ordered => Ok((Aggregate::Max(column), result(field.data_type))),
        _ => Err(refuse("a column that has an order")),
    }
}
