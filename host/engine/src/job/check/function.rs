//! A plugin's function for an operator or an aggregate: the check finds it, checks its config, offers it columns, opens it, and
//! checks its binding.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::Value;

use super::checker::Checker;
use super::column::{find, listed};
use super::config::check_config;
use super::expression::Argument;
use super::reading::is_name;
use crate::job::graph::{FunctionInput, Offered, PluginFunction, Read};
use crate::job::problem::{At, Problem, suggestion};
use crate::job::spec;
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_wall::binding::{Binding, FunctionInfo, Kind, OpenRequest};

/// A function that the job names.
pub(super) struct Wanted<'a> {
    /// The operator, for the plugin's messages.
    pub(super) operator: &'a str,
    pub(super) plugin: &'a str,
    pub(super) function: &'a str,
    pub(super) kind: Kind,
    pub(super) config: Option<&'a Value>,
    pub(super) files: Option<&'a IndexMap<String, String>>,
    /// The inputs: one, or two of a join or process function.
    pub(super) inputs: Vec<WantedInput<'a>>,
    pub(super) columns: ColumnMatching<'a>,
    pub(super) places: WantedPlaces,
}

/// An input of a function.
#[derive(Clone, Copy)]
pub(super) struct WantedInput<'a> {
    /// The stream's name, for messages.
    pub(super) name: &'a str,
    pub(super) schema: &'a Schema,
}

/// The places at which problems are shown.
pub(super) struct WantedPlaces {
    pub(super) operator: At,
    pub(super) plugin: (At, Option<usize>),
    pub(super) function: (At, Option<usize>),
    pub(super) columns: At,
    pub(super) config: At,
}

/// The rule by which the function's columns are matched with the stream's.
pub(super) enum ColumnMatching<'a> {
    /// By name, with some columns renamed. A renamed column is looked for in all inputs.
    Named(&'a IndexMap<String, String>),
    /// By position among the columns that the function describes.
    Positional(Vec<Argument>),
}

fn error(place: &(At, Option<usize>), message: String) -> Problem {
    Problem { offset: place.1, ..Problem::error(place.0.clone(), message) }
}

/// Opens the function that an operator names; `None` after problems.
pub(super) fn open_of_operator(
    checker: &mut Checker<'_>,
    name: &str,
    operator: &spec::Operator,
    kind: Kind,
    inputs: Vec<WantedInput<'_>>,
) -> Option<PluginFunction> {
    let at = At::job().field("operators").field(name);
    let plugin = operator.plugin.as_deref()?;
    let Some(function) = operator.function.as_deref() else {
        missing(checker, name, plugin, &at);
        return None;
    };
    let wanted = Wanted {
        operator: name,
        plugin,
        function,
        kind,
        config: operator.config.as_ref(),
        files: Some(&operator.files),
        inputs,
        columns: ColumnMatching::Named(&operator.columns),
        places: WantedPlaces {
            operator: at.clone(),
            plugin: (at.field("plugin"), None),
            function: (at.field("function"), None),
            columns: at.field("columns"),
            config: at.field("config"),
        },
    };
    open(checker, &wanted)
}

/// Adds the problem that an operator names a plugin, but no function of it.
fn missing(checker: &mut Checker<'_>, name: &str, plugin: &str, at: &At) {
    let listed = checker.job.plugins.get(plugin);
    let functions = match checker.around.find_plugin(name, plugin, listed) {
        Ok(path) => checker.functions(&path),
        Err(looked) => Err(not_there(&looked)),
    };
    let help = match functions {
        Ok(functions) => suggestion("", "its functions", functions.iter().map(|f| f.name.as_str())),
        Err(message) => format!("its functions are not known: {message}"),
    };
    let message = format!("`{name}` names the plugin `{plugin}`, but no `function` of it");
    checker.error(Problem::error(at.clone(), message).on_key().help(help));
}

/// Opens the function; `None` after problems.
pub(super) fn open(checker: &mut Checker<'_>, wanted: &Wanted<'_>) -> Option<PluginFunction> {
    let path = plugin_path(checker, wanted)?;
    let info = described(checker, wanted, &path)?;
    let full_name = format!("{}/{}", wanted.plugin, wanted.function);
    let before = checker.problems.len();
    let config = check_config(info.config_schema.as_ref(), wanted.config, &full_name, &wanted.places.config);
    checker.problems.extend(config);
    let files = files(checker, wanted);
    let mut offered = Vec::new();
    for input in 0..wanted.inputs.len() {
        match offer(wanted, input, &info, &full_name) {
            Ok(columns) => offered.push(columns),
            Err(problems) => checker.problems.extend(problems),
        }
    }
    if checker.problems.len() > before {
        return None;
    }
    let config = wanted.config.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let request = OpenRequest {
        operator: wanted.operator.into(),
        function: wanted.function.into(),
        config: config.clone(),
        inputs: offered.iter().map(|o| Schema::new(o.iter().map(|o| o.field.clone()).collect())).collect(),
        files: files.clone(),
    };
    let limits = checker.limits();
    let binding = match checker.plugins.open(&path, &request, &limits) {
        Ok(binding) => binding,
        Err(messages) => {
            let place = match wanted.config {
                Some(_) => (wanted.places.config.clone(), None),
                None => wanted.places.function.clone(),
            };
            for message in messages {
                checker.error(error(&place, format!("`{full_name}`: {message}")));
            }
            return None;
        }
    };
    let reads = match check_binding(&binding, &offered, wanted) {
        Ok(reads) => reads,
        Err(wrong) => {
            for wrong in wrong {
                let message = format!("the plugin is wrong: `{full_name}` {wrong}");
                checker.error(error(&wanted.places.function, message));
            }
            return None;
        }
    };
    Some(PluginFunction {
        plugin: wanted.plugin.into(),
        path,
        function: wanted.function.into(),
        config,
        binding,
        inputs: offered.into_iter().zip(reads).map(|(offered, reads)| FunctionInput { offered, reads }).collect(),
        files,
    })
}

fn plugin_path(checker: &mut Checker<'_>, wanted: &Wanted<'_>) -> Option<PathBuf> {
    let listed = checker.job.plugins.get(wanted.plugin);
    // On a node, a name may have a version: `sensors@2`.
    let is_pinned = checker.around.is_pinned(wanted.plugin);
    if listed.is_none() && !is_pinned && !is_name(wanted.plugin) {
        let message = format!("`{}` is not a plugin's name", wanted.plugin);
        checker.error(
            error(&wanted.places.plugin, message).help("give its path in the job: `plugins: { NAME: path.wasm }`"),
        );
        return None;
    }
    let looked = match checker.around.find_plugin(wanted.operator, wanted.plugin, listed) {
        Ok(path) => return Some(path),
        Err(looked) => looked,
    };
    let message = format!("no plugin `{}`", wanted.plugin);
    let near = crate::job::problem::nearest(wanted.plugin, checker.job.plugins.keys().map(String::as_str));
    let mut help = not_there(&looked);
    if let Some(near) = near.filter(|n| *n != wanted.plugin) {
        help = format!("did you mean `{near}`?\n{help}");
    }
    checker.error(error(&wanted.places.plugin, message).help(help));
    None
}

/// Says where a plugin is not.
fn not_there(looked: &[PathBuf]) -> String {
    if looked.is_empty() {
        return "a job on a node uses plugins that were pushed to it: `flowgate plugin push`".into();
    }
    let looked: Vec<String> = looked.iter().map(|path| format!("\n  {}", path.display())).collect();
    format!("there is no file{}", looked.concat())
}

fn described(checker: &mut Checker<'_>, wanted: &Wanted<'_>, path: &std::path::Path) -> Option<FunctionInfo> {
    let functions = match checker.functions(path) {
        Ok(functions) => functions,
        Err(message) => {
            let message = format!("cannot use plugin `{}` ({}): {message}", wanted.plugin, path.display());
            checker.error(error(&wanted.places.plugin, message));
            return None;
        }
    };
    let Some(info) = functions.iter().find(|f| f.name == wanted.function) else {
        let message = format!("plugin `{}` has no function `{}`", wanted.plugin, wanted.function);
        let names: Vec<&str> = functions.iter().map(|f| f.name.as_str()).collect();
        let help = suggestion(wanted.function, "its functions", names.iter().copied());
        checker.error(error(&wanted.places.function, message).help(help));
        return None;
    };
    if info.kind == wanted.kind {
        return Some(info.clone());
    }
    let full_name = format!("{}/{}", wanted.plugin, wanted.function);
    let (message, help) = match (info.kind, wanted.kind) {
        (Kind::Join, _) => (
            format!("`{full_name}` is a join function: it needs the pairs of a join"),
            "give the operator `inputs: [LEFT, RIGHT]`, `key: [...]` and `join: inner`".to_string(),
        ),
        (Kind::Process, _) => (
            format!("`{full_name}` is a process function"),
            format!(
                "give it an operator of its own: `plugin: {}`, `function: {}`, `key: [...]`",
                wanted.plugin, wanted.function
            ),
        ),
        (Kind::Aggregate, _) => (
            format!("`{full_name}` is an aggregate: it needs a window"),
            format!("`window: {{ tumbling: 10s }}` and `aggregate: {{ result: \"plugin:{full_name}(...)\" }}`"),
        ),
        (_, Kind::Join) => (
            format!("`{full_name}` is a {}, not a join function", info.kind.name()),
            "leave `plugin` and `function` out, and let an operator of its own read the join".to_string(),
        ),
        _ => (
            format!("`{full_name}` is a {}, not an aggregate", info.kind.name()),
            format!("give it an operator of its own: `plugin: {}` and `function: {}`", wanted.plugin, wanted.function),
        ),
    };
    checker.error(error(&wanted.places.function, message).help(help));
    None
}

fn files(checker: &mut Checker<'_>, wanted: &Wanted<'_>) -> BTreeMap<String, PathBuf> {
    let mut granted = BTreeMap::new();
    for (name, path) in wanted.files.into_iter().flatten() {
        let path = checker.around.base.join(path);
        let at = wanted.places.operator.field("files").field(name);
        match std::fs::metadata(&path) {
            Ok(data) if data.is_file() => {
                granted.insert(name.clone(), path);
            }
            Ok(_) => checker.error(Problem::error(at, format!("{} is not a file", path.display()))),
            Err(e) => checker.error(Problem::error(at, format!("cannot read {}: {e}", path.display()))),
        }
    }
    granted
}

/// Returns the columns to offer to the function; they include the columns that the function describes.
fn offer(
    wanted: &Wanted<'_>,
    input: usize,
    info: &FunctionInfo,
    full_name: &str,
) -> Result<Vec<Offered>, Vec<Problem>> {
    let described: &[Field] = info.inputs.get(input).map_or(&[], Vec::as_slice);
    let WantedInput { name: input_name, schema } = wanted.inputs[input];
    let mut problems = Vec::new();
    let mut named: Vec<(String, usize)> = Vec::new();
    let of = format!("`{input_name}`");
    match &wanted.columns {
        ColumnMatching::Named(renamed) => {
            for (name, column) in *renamed {
                let elsewhere = wanted.inputs.iter().any(|i| i.schema.index_of(column).is_some());
                match find(schema, column, &of, wanted.places.columns.field(name)) {
                    Ok(column) => named.push((name.clone(), column)),
                    Err(_) if elsewhere => {}
                    Err(problem) => problems.push(problem),
                }
            }
            for (i, field) in schema.fields.iter().enumerate() {
                let is_renamed = renamed.values().any(|c| *c == field.name);
                if !is_renamed && !renamed.contains_key(&field.name) {
                    named.push((field.name.clone(), i));
                }
            }
            named.sort_by_key(|(_, column)| *column);
        }
        ColumnMatching::Positional(arguments) => {
            if !described.is_empty() && arguments.len() != described.len() {
                let signature = described.iter().map(Field::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("`{full_name}` reads {}, {} given", count(described.len()), arguments.len());
                let problem = error(&wanted.places.function, message);
                problems.push(problem.help(format!("its signature is {}({signature})", wanted.function)));
            }
            for (i, argument) in arguments.iter().enumerate() {
                match find(schema, &argument.column, &of, wanted.places.columns.clone()) {
                    Ok(column) => {
                        let name = described.get(i).map_or(&argument.column, |f| &f.name);
                        named.push((name.clone(), column));
                    }
                    Err(problem) => problems.push(problem.at_offset(argument.at)),
                }
            }
        }
    }
    let offered: Vec<Offered> = named
        .into_iter()
        .map(|(name, column)| {
            let stream = &schema.fields[column];
            let wants = described.iter().find(|f| f.name == name).map(|f| f.data_type);
            let widen = stream.data_type == DataType::Int64 && wants == Some(DataType::Float64);
            let data_type = if widen { DataType::Float64 } else { stream.data_type };
            Offered { field: Field { name, data_type, nullable: stream.nullable }, column }
        })
        .collect();
    if problems.is_empty() {
        for field in described {
            problems.extend(fits(field, &offered, wanted, input, full_name));
        }
    }
    if problems.is_empty() { Ok(offered) } else { Err(problems) }
}

fn count(columns: usize) -> String {
    if columns == 1 { "1 column".into() } else { format!("{columns} columns") }
}

/// Returns the problem of the column that the function describes as `field`, if there is one.
fn fits(field: &Field, offered: &[Offered], wanted: &Wanted<'_>, input: usize, full_name: &str) -> Option<Problem> {
    let WantedInput { name: input_name, schema } = wanted.inputs[input];
    let place = &wanted.places.function;
    let Some(found) = offered.iter().find(|o| o.field.name == field.name) else {
        let message = format!("`{full_name}` reads `{field}`, which `{input_name}` does not have");
        let same_type = |f: &&Field| f.data_type == field.data_type;
        let candidate = schema.fields.iter().find(same_type).map_or("COLUMN", |f| f.name.as_str());
        let how = match wanted.kind {
            Kind::Aggregate => format!("pass it a column: `{}({candidate})`", wanted.function),
            _ => format!("show it another column under that name: `columns: {{ {}: {candidate} }}`", field.name),
        };
        let help = format!("{}\n{how}", listed(schema));
        return Some(error(place, message).help(help));
    };
    let stream = &schema.fields[found.column];
    let from = format!("`{}` of `{input_name}`", stream.name);
    if found.field.data_type != field.data_type {
        let message = format!("{from} is {}, but `{full_name}` reads `{field}`", stream.type_name());
        return Some(error(place, message).help(listed(schema)));
    }
    if found.field.nullable && !field.nullable {
        let message = format!("{from} may have no value ({}), but `{full_name}` reads `{field}`", stream.type_name());
        return Some(error(place, message).help("take out the rows without a value before, by a filter"));
    }
    None
}

/// Returns the columns that the function reads, by input; or the errors in its binding.
fn check_binding(
    binding: &Binding,
    offered: &[Vec<Offered>],
    wanted: &Wanted<'_>,
) -> Result<Vec<Vec<Read>>, Vec<String>> {
    let mut wrong = Vec::new();
    let mut reads = Vec::new();
    if binding.inputs.len() != offered.len() {
        wrong.push(format!("has {} inputs in its binding instead of {}", binding.inputs.len(), offered.len()));
    }
    for ((fields, offered), input) in binding.inputs.iter().zip(offered).zip(&wanted.inputs) {
        let mut of_input = Vec::new();
        for field in fields {
            match offered.iter().find(|o| o.field.name == field.name) {
                Some(o) if o.field.data_type == field.data_type && (field.nullable || !o.field.nullable) => {
                    let widen = input.schema.fields[o.column].data_type != field.data_type;
                    of_input.push(Read { column: o.column, widen });
                }
                Some(o) => wrong.push(format!("reads `{field}`, but was offered `{}`", o.field)),
                None => wrong.push(format!("reads `{field}`, which it was not offered")),
            }
        }
        reads.push(of_input);
    }
    let outputs = &binding.outputs;
    if outputs.is_empty() {
        wrong.push("has no output".into());
    }
    if wanted.kind == Kind::Aggregate && (outputs.len() != 1 || outputs.iter().any(|o| o.columns.is_empty())) {
        wrong.push("is an aggregate and must have exactly one output, with at least one column".into());
    }
    let mut names = BTreeSet::new();
    for (i, output) in outputs.iter().enumerate() {
        if (i == 0) != output.name.is_empty() {
            wrong.push("must name every output but the first one, and only those".into());
        }
        if ["errors", "late"].contains(&output.name.as_str()) || !names.insert(&output.name) {
            wrong.push(format!("has an output with the name `{}`, which is taken", output.name));
        }
        let mut columns = BTreeSet::new();
        for column in &output.columns {
            if column.name.is_empty() || column.name.len() > 255 || !columns.insert(&column.name) {
                wrong.push(format!("makes a column `{}`, whose name is empty, too long or given twice", column.name));
            }
        }
    }
    if wrong.is_empty() { Ok(reads) } else { Err(wrong) }
}
