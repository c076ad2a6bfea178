//! Operators that run a plugin's process function.

use super::checker::Checker;
use super::column;
use super::function::{self, WantedInput};
use super::key;
use super::operator::{Named, one_input, refuse, two_inputs};
use super::transform::errors_output;
use crate::job::graph::{Node, NodeKind, Offered, Output, PairColumn, PairOutput, ProcessNode};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use flowgate_base::schema::{Field, Schema};
use flowgate_wall::binding::{Kind, OutputBinding};

/// Returns the node; `None` after a problem.
pub(super) fn check_process(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    let before = checker.problems.len();
    let others = ["aggregate", "allowed_lateness", "trigger"];
    let help = "a window is an operator of its own, which reads this one";
    refuse(checker, &at, operator, &others, &format!("belongs to a window; `{name}` is a process function"), help);
    let help = "a function says itself how long its state is kept";
    refuse(checker, &at, operator, &["ttl"], &format!("belongs to a join; `{name}` is a process function"), help);
    if operator.key.as_ref().is_none_or(Vec::is_empty) {
        let message = format!("`{name}` runs a process function, but has no `key`: its state is kept for each key");
        let help = "name the columns: `key: [user]`; with two inputs also `key: [{ left: seller, right: id }]`";
        checker.error(Problem::error(at.clone(), message).on_key().help(help));
    }
    let read = inputs(checker, name, operator)?;
    let sides: Vec<(&str, &Schema)> = read.iter().map(|(name, _, output)| (*name, &output.schema)).collect();
    let keys = match &sides[..] {
        [left, right] => key::pairs(checker, operator, *left, *right, &at),
        _ => {
            let key = key::key(checker, operator, sides[0].0, sides[0].1, &at);
            key.into_iter().map(|column| (column, column)).collect()
        }
    };
    check_input_count(checker, name, operator, sides.len(), &at);
    if checker.problems.len() > before {
        return None;
    }
    let wanted = sides.iter().map(|(name, schema)| WantedInput { name, schema }).collect();
    let function = function::open_of_operator(checker, name, operator, Kind::Process, wanted)?;
    let has_event_time = read.iter().all(|(.., output)| output.has_event_time);
    let schemas: Vec<&Schema> = sides.iter().map(|(_, schema)| *schema).collect();
    let offered: Vec<&[Offered]> = function.inputs.iter().map(|input| &input.offered[..]).collect();
    let mut node_outputs: Vec<Output> = Vec::new();
    let mut outputs = Vec::new();
    for (i, binding) in function.binding.outputs.iter().enumerate() {
        let (schema, columns) = match compose(binding, &schemas, &offered, &keys) {
            Ok(composed) => composed,
            Err((message, help)) => {
                let message = format!("`{}/{}` {message}", function.plugin, function.function);
                checker.error(Problem::error(at.field("function"), message).help(help));
                return None;
            }
        };
        if i == 1 {
            node_outputs.push(errors_output());
        }
        outputs.push(PairOutput { output: node_outputs.len(), columns });
        node_outputs.push(Output { name: binding.name.clone(), schema, has_event_time });
    }
    if node_outputs.len() == 1 {
        node_outputs.push(errors_output());
    }
    let event_time = match &operator.event_time {
        Some(wanted) => Some(column::event_time(checker, wanted, &node_outputs[0].schema, name, &at)?),
        None => None,
    };
    node_outputs[0].has_event_time |= event_time.is_some();
    let (left, right): (Vec<usize>, Vec<usize>) = keys.into_iter().unzip();
    let keys = if read.len() == 2 { vec![left, right] } else { vec![left] };
    // The default is `skip`.
    let on_error = operator.on_error.unwrap_or_default();
    let kind = NodeKind::Process(ProcessNode { keys, function, outputs, on_error, event_time });
    let inputs = read.into_iter().map(|(_, input, _)| input).collect();
    Some(Node { name: name.into(), kind, inputs, outputs: node_outputs })
}

/// Returns the inputs: one, or two.
fn inputs<'a>(checker: &mut Checker<'_>, name: &str, operator: &'a spec::Operator) -> Option<Vec<Named<'a>>> {
    match operator.inputs.len() {
        0 => Some(vec![one_input(checker, name, operator)?]),
        2 => Some(two_inputs(checker, name, operator)?.into()),
        n => {
            let at = At::job().field("operators").field(name).field("inputs");
            let message = format!("`{name}` has {n} inputs; a process function has one or two");
            let help = "write `input: NAME`, or `inputs: [FIRST, SECOND]`; several become one by `union: [...]`";
            checker.error(Problem::error(at, message).on_key().help(help));
            None
        }
    }
}

/// Adds a problem if the function describes another number of inputs than the operator has.
fn check_input_count(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator, input_count: usize, at: &At) {
    let (Some(plugin), Some(function)) = (&operator.plugin, &operator.function) else { return };
    let listed = checker.job.plugins.get(plugin);
    let Ok(path) = checker.around.find_plugin(name, plugin, listed) else { return };
    let Ok(functions) = checker.functions(&path) else { return };
    let takes = functions.iter().find(|f| f.name == *function).map_or(0, |f| f.inputs.len());
    let (message, help) = match (takes, input_count) {
        (2, 1) => ("takes two inputs; `input` names one", "write them as `inputs: [FIRST, SECOND]`"),
        (1, 2) => ("takes one input, two given", "write `input: NAME`; two streams become one by `union: [...]`"),
        _ => return,
    };
    let message = format!("`{plugin}/{function}` {message}");
    let field = if input_count == 1 { "input" } else { "inputs" };
    checker.error(Problem::error(at.field(field), message).on_key().help(help));
}

/// A column that can pass through: its field, its origin, and the names under which the function sees it on each input.
struct Passing {
    field: Field,
    from: PairColumn,
    seen: Vec<String>,
}

/// Returns the columns of one output: those that the function makes and, if they pass through, those of the inputs. A key column
/// that has the same name on both is there once. Other columns are null in rows of the other input and of timers.
fn compose(
    binding: &OutputBinding,
    inputs: &[&Schema],
    offered: &[&[Offered]],
    keys: &[(usize, usize)],
) -> Result<(Schema, Vec<PairColumn>), (String, String)> {
    let passing = if binding.passthrough { passing(inputs, offered, keys) } else { Vec::new() };
    let mut fields: Vec<Field> = Vec::new();
    let mut columns = Vec::new();
    let mut placed = vec![false; binding.columns.len()];
    for column in passing {
        if fields.iter().any(|f| f.name == column.field.name) {
            let message = format!("lets the columns of both inputs pass, and both have `{}`", column.field.name);
            let help = "let an operator before it give one of them another name; a column by which both inputs are keyed \
                        comes once";
            return Err((message, help.into()));
        }
        // A made column takes the place and the stream's name of the column that the function saw by its name.
        match binding.columns.iter().position(|made| column.seen.contains(&made.name)) {
            Some(made) if !placed[made] => {
                placed[made] = true;
                fields.push(Field { name: column.field.name, ..binding.columns[made].clone() });
                columns.push(PairColumn::Made(made));
            }
            // It has replaced the other input's column.
            Some(_) => {}
            None => {
                fields.push(column.field);
                columns.push(column.from);
            }
        }
    }
    for (made, field) in binding.columns.iter().enumerate().filter(|(made, _)| !placed[*made]) {
        if fields.iter().any(|f| f.name == field.name) {
            let message = format!("makes a column `{}`, and another one of that name passes through", field.name);
            return Err((message, "show the function that column under its name, by `columns`".into()));
        }
        fields.push(field.clone());
        columns.push(PairColumn::Made(made));
    }
    Ok((Schema::new(fields), columns))
}

fn passing(inputs: &[&Schema], offered: &[&[Offered]], keys: &[(usize, usize)]) -> Vec<Passing> {
    let two = inputs.len() == 2;
    let seen = |input: usize, column: usize| {
        let names = offered.get(input).copied().unwrap_or_default().iter();
        names.filter(move |o| o.column == column).map(|o| o.field.name.clone())
    };
    let mut passing: Vec<Passing> = Vec::new();
    for (input, schema) in inputs.iter().enumerate() {
        for (i, field) in schema.fields.iter().enumerate() {
            let key = keys.iter().find(|(left, right)| if input == 0 { *left == i } else { *right == i });
            let Some(&(left, right)) = key else {
                let from = if input == 0 { PairColumn::Left(i) } else { PairColumn::Right(i) };
                let field = Field { nullable: true, ..field.clone() };
                passing.push(Passing { field, from, seen: seen(input, i).collect() });
                continue;
            };
            let other =
                if input == 0 { inputs.get(1).map(|s| &s.fields[right]) } else { Some(&inputs[0].fields[left]) };
            if input == 1 && other.is_some_and(|other| other.name == field.name) {
                continue;
            }
            let nullable = field.nullable || other.is_some_and(|other| other.nullable);
            let mut names: Vec<String> = seen(input, i).collect();
            if two && other.is_some_and(|other| other.name == field.name) {
                names.extend(seen(1, right));
            }
            let from = PairColumn::Key(left, right);
            passing.push(Passing { field: Field { nullable, ..field.clone() }, from, seen: names });
        }
    }
    passing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::check::check;
    use crate::job::fake::FakePlugins;
    use crate::job::load::{Document, Language, load};
    use flowgate_base::schema::DataType;

    fn output(columns: Vec<Field>, passthrough: bool) -> OutputBinding {
        OutputBinding { name: String::new(), columns, passthrough }
    }

    fn offered(schema: &Schema) -> Vec<Offered> {
        schema.fields.iter().enumerate().map(|(column, f)| Offered { field: f.clone(), column }).collect()
    }

    #[test]
    fn columns_of_two_inputs_pass_through_and_the_key_once() {
        let left = Schema::new(vec![
            Field::new("user", DataType::Text),
            Field::new("seller", DataType::Int64),
            Field::new("price", DataType::Int64),
        ]);
        let right = Schema::new(vec![
            Field::nullable("user", DataType::Text),
            Field::new("id", DataType::Int64),
            Field::new("city", DataType::Text),
        ]);
        let binding = output(vec![Field::new("price", DataType::Float64), Field::new("sum", DataType::Int64)], true);
        let offers = [offered(&left), offered(&right)];
        let offers = [&offers[0][..], &offers[1][..]];
        let (schema, columns) = compose(&binding, &[&left, &right], &offers, &[(0, 0), (1, 1)]).unwrap();
        let shown = "user: text?, seller: int64, price: float64, id: int64, city: text?, sum: int64";
        assert_eq!(schema.to_string(), shown);
        let key = PairColumn::Key;
        let expected =
            [key(0, 0), key(1, 1), PairColumn::Made(0), key(1, 1), PairColumn::Right(2), PairColumn::Made(1)];
        assert_eq!(columns, expected);
        let (message, _) = compose(&output(Vec::new(), true), &[&left, &left], &offers, &[(0, 0)]).unwrap_err();
        assert!(message.contains("both have `seller`"), "{message}");
    }

    fn problems(operator: &str) -> Vec<String> {
        let text = format!(
            "job: j\nsources:\n  a: {{ stdin: {{ format: csv, columns: {{ user: text, n: int64 }} }} }}\n  \
             b: {{ file: {{ path: b.txt }} }}\noperators:\n  p: {operator}\nsinks:\n  s: {{ input: p, print: {{}} }}\n"
        );
        let document = Document { name: "job.yaml".into(), text, language: Language::Yaml, base: "/job".into() };
        let job = load(document, &[], &|_| None).job.expect("the job can be read");
        let mut plugins = FakePlugins::new();
        let around = plugins.around();
        match check(&job, &around, &mut plugins) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn missing_and_foreign_settings_of_a_process_operator_are_errors() {
        let function = "plugin: text, function: session";
        let says = |operator: &str, expected: &str| {
            let problems = problems(&format!("{{ {operator} }}"));
            assert!(problems.iter().any(|p| p.contains(expected)), "{problems:?} should say `{expected}`");
        };
        assert_eq!(problems(&format!("{{ input: a, key: [user], {function} }}")), [""; 0]);
        says(&format!("input: a, {function}"), "has no `key`");
        says(&format!("input: a, key: [users], {function}"), "no column `users`");
        says(&format!("input: a, key: [{{ left: user, right: text }}], {function}"), "is the only one here");
        says(&format!("inputs: [a, b, a], key: [user], {function}"), "3 inputs");
        says(&format!("inputs: [a, b], key: [{{ left: n, right: text }}], {function}"), "is text");
        says(&format!("input: a, key: [user], ttl: 5s, {function}"), "`ttl` belongs to a join");
        says(&format!("input: a, key: [user], trigger: {{ count: 1 }}, {function}"), "`trigger` belongs to a window");
    }
}
