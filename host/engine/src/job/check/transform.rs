//! Operators that run a plugin's transform.

use super::checker::Checker;
use super::column;
use super::function::{self, WantedInput};
use super::operator::{one_input, refuse};
use crate::job::graph::{ColumnOrigin, Node, NodeKind, Offered, Output, TransformNode, TransformOutput, errors_schema};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use flowgate_base::schema::Schema;
use flowgate_wall::binding::{Kind, OutputBinding};

/// Returns the node of an operator with `plugin`; `None` after a problem.
pub(super) fn check_transform(checker: &mut Checker<'_>, name: &str, operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    let others = ["key", "aggregate", "allowed_lateness", "trigger", "ttl"];
    let help = "a window is an operator of its own, which reads this one";
    refuse(
        checker,
        &at,
        operator,
        &others,
        &format!("belongs to a window or a join; `{name}` is a plugin's function"),
        help,
    );
    let (input_name, input, read) = one_input(checker, name, operator)?;
    let inputs = vec![WantedInput { name: input_name, schema: &read.schema }];
    let function = function::open_of_operator(checker, name, operator, Kind::Transform, inputs)?;
    let mut node_outputs: Vec<Output> = Vec::new();
    let mut outputs: Vec<TransformOutput> = Vec::new();
    for (i, binding) in function.binding.outputs.iter().enumerate() {
        let (schema, columns) = match compose(binding, &read.schema, &function.inputs[0].offered) {
            Ok(composed) => composed,
            Err(message) => {
                let message = format!("`{}/{}` {message}", function.plugin, function.function);
                checker.error(Problem::error(at.field("function"), message));
                return None;
            }
        };
        if i == 1 {
            node_outputs.push(errors_output());
        }
        outputs.push(TransformOutput { output: node_outputs.len(), columns });
        let has_event_time = read.has_event_time;
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
    let on_error = operator.on_error.unwrap_or_default();
    let kind = NodeKind::Transform(TransformNode { function, outputs, on_error, event_time });
    Some(Node { name: name.into(), kind, inputs: vec![input], outputs: node_outputs })
}

/// Returns the output `errors` of a node.
pub(super) fn errors_output() -> Output {
    Output { name: "errors".into(), schema: errors_schema(), has_event_time: false }
}

/// Returns the columns of one output: those that the function makes and, if they pass through, those of the input.
pub(super) fn compose(
    binding: &OutputBinding,
    input: &Schema,
    offered: &[Offered],
) -> Result<(Schema, Vec<ColumnOrigin>), String> {
    let mut fields = Vec::new();
    let mut origins = Vec::new();
    let mut placed = vec![false; binding.columns.len()];
    if binding.passthrough {
        for (i, field) in input.fields.iter().enumerate() {
            // A made column takes the place and the stream's name of the column that the function saw by its name.
            let seen = |name: &str| offered.iter().any(|o| o.column == i && o.field.name == name);
            match binding.columns.iter().position(|made| seen(&made.name)) {
                Some(made) => {
                    placed[made] = true;
                    fields.push(flowgate_base::schema::Field {
                        name: field.name.clone(),
                        ..binding.columns[made].clone()
                    });
                    origins.push(ColumnOrigin::Made(made));
                }
                None => {
                    fields.push(field.clone());
                    origins.push(ColumnOrigin::Input(i));
                }
            }
        }
    }
    for (made, field) in binding.columns.iter().enumerate().filter(|(made, _)| !placed[*made]) {
        if fields.iter().any(|f| f.name == field.name) {
            return Err(format!("makes a column `{}`, and another one of that name passes through", field.name));
        }
        fields.push(field.clone());
        origins.push(ColumnOrigin::Made(made));
    }
    Ok((Schema::new(fields), origins))
}
