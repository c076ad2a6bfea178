//! What a plugin says of itself, judged: `describe` and the binding that `open` returns.

use std::collections::HashSet;

use super::binding::{Binding, FunctionInfo, Kind, OpenRequest, OutputBinding, StateSlot};
use super::contract::{Bound, Described};
use super::judge::values_in;
use super::limits::Limits;
use flowgate_base::schema::{Field, Schema};
use flowgate_base::shown;
use flowgate_base::shown::{has_power, one_line};

const NAME_BYTES_MAX: usize = 64;
const FIELD_NAME_BYTES_MAX: usize = 255;

/// Judges all functions of a plugin; `served` says whether the interface of a kind is exported. What their config schemas
/// say is judged elsewhere.
pub(super) fn functions(
    described: Vec<Described>,
    limits: &Limits,
    served: impl Fn(Kind) -> bool,
) -> Result<Vec<FunctionInfo>, String> {
    if described.is_empty() {
        return Err("describes no function".into());
    }
    if described.len() > limits.functions_max {
        return Err(format!("describes {} functions; {} is the most", described.len(), limits.functions_max));
    }
    let values: usize = described.iter().filter_map(|f| f.config_schema.as_deref()).map(values_in).sum();
    if values > limits.schema_values_max {
        let max = limits.schema_values_max;
        return Err(format!("describes config schemas of about {values} JSON values; {max} is the most for a plugin"));
    }
    let mut names = HashSet::new();
    let mut functions = Vec::with_capacity(described.len());
    for function in described {
        check_name(&function.name).map_err(|e| format!("describes a function whose name {e}"))?;
        if !names.insert(function.name.clone()) {
            return Err(format!("describes two functions named `{}`", function.name));
        }
        if !served(function.kind) {
            let (name, kind) = (&function.name, function.kind.name());
            return Err(format!("describes `{name}` as {kind}, but does not export the interface `{kind}`"));
        }
        let name = function.name.clone();
        functions.push(judge(function, limits).map_err(|e| format!("describes `{name}` wrongly: {e}"))?);
    }
    Ok(functions)
}

fn judge(function: Described, limits: &Limits) -> Result<FunctionInfo, String> {
    let inputs_max = *function.kind.inputs().end();
    if function.inputs.len() > inputs_max {
        return Err(format!("it has {} inputs; {inputs_max} is the most for its kind", function.inputs.len()));
    }
    for fields in &function.inputs {
        check_fields(fields, limits)?;
    }
    let parse = |text: String| serde_json::from_str(&text).map_err(|e| format!("its config schema is not JSON: {e}"));
    Ok(FunctionInfo {
        name: function.name,
        kind: function.kind,
        // Documentation keeps its lines.
        doc: shown::lines(&function.doc).into_owned(),
        config_schema: function.config_schema.map(parse).transpose()?,
        inputs: function.inputs,
    })
}

/// Judges a binding against the request.
pub(super) fn binding(bound: Bound, kind: Kind, request: &OpenRequest, limits: &Limits) -> Result<Binding, String> {
    if bound.inputs.len() != request.inputs.len() {
        return Err(format!("binds {} inputs of {}", bound.inputs.len(), request.inputs.len()));
    }
    for (fields, available) in bound.inputs.iter().zip(&request.inputs) {
        check_fields(fields, limits)?;
        for field in fields {
            check_read(field, available)?;
        }
    }
    if bound.outputs.is_empty() || bound.outputs.len() > limits.columns_max {
        return Err(format!("binds {} outputs; it has 1 to {}", bound.outputs.len(), limits.columns_max));
    }
    if kind == Kind::Aggregate && bound.outputs.len() != 1 {
        return Err(format!("binds {} outputs; an aggregate has one", bound.outputs.len()));
    }
    if kind != Kind::Process && !bound.state.is_empty() {
        return Err("binds state, which only process functions have".into());
    }
    check_state(&bound.state, limits)?;
    let mut names = HashSet::new();
    let mut outputs = Vec::with_capacity(bound.outputs.len());
    for (i, (name, columns, passthrough)) in bound.outputs.into_iter().enumerate() {
        check_output_name(i, &name)?;
        if !names.insert(name.clone()) {
            return Err(format!("binds two outputs named `{name}`"));
        }
        check_fields(&columns, limits)?;
        outputs.push(OutputBinding { name, columns, passthrough });
    }
    if kind == Kind::Aggregate && outputs.iter().any(|o| o.columns.is_empty()) {
        return Err("binds an output without columns; an aggregate makes one at least".into());
    }
    Ok(Binding { inputs: bound.inputs, outputs, state: bound.state })
}

fn check_state(slots: &[StateSlot], limits: &Limits) -> Result<(), String> {
    if slots.len() > limits.state_slots_max {
        return Err(format!("binds {} state slots; {} is the most", slots.len(), limits.state_slots_max));
    }
    let mut names = HashSet::new();
    for slot in slots {
        check_name(&slot.name).map_err(|e| format!("binds a state slot whose name {e}"))?;
        if !names.insert(&slot.name) {
            return Err(format!("binds two state slots named `{}`", slot.name));
        }
        if slot.ttl_ms == Some(0) {
            return Err(format!(
                "binds state slot `{}` with a time to live of 0 ms; none keeps it for ever",
                slot.name
            ));
        }
    }
    Ok(())
}

fn check_output_name(position: usize, name: &str) -> Result<(), String> {
    if position == 0 {
        return if name.is_empty() {
            Ok(())
        } else {
            Err(format!("names its main output `{}`; the first output has no name", one_line(name, NAME_BYTES_MAX)))
        };
    }
    check_name(name).map_err(|e| format!("binds an output whose name {e}"))?;
    if name == "errors" || name == "late" {
        return Err(format!("binds an output named `{name}`, which is reserved by the host"));
    }
    Ok(())
}

fn check_read(field: &Field, available: &Schema) -> Result<(), String> {
    let Some(column) = available.field(&field.name) else {
        return Err(format!("reads a column `{}` that is not there; there are: {available}", field.name));
    };
    if column.data_type != field.data_type || (column.nullable && !field.nullable) {
        let (name, wants, has) = (&field.name, field.type_name(), column.type_name());
        return Err(format!("reads column `{name}` as {wants}, but it is {has}"));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if valid && (1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Ok(());
    }
    let shown = one_line(name, NAME_BYTES_MAX);
    Err(format!("is `{shown}`; a name has 1 to {NAME_BYTES_MAX} letters, digits, `-` and `_`"))
}

fn check_fields(fields: &[Field], limits: &Limits) -> Result<(), String> {
    if fields.len() > limits.columns_max {
        return Err(format!("has {} columns; {} is the most", fields.len(), limits.columns_max));
    }
    let mut names = HashSet::new();
    for field in fields {
        let name = &field.name;
        if !(1..=FIELD_NAME_BYTES_MAX).contains(&name.len()) || name.chars().any(has_power) {
            let shown = one_line(name, FIELD_NAME_BYTES_MAX);
            return Err(format!(
                "has a column `{shown}`; a name has 1 to {FIELD_NAME_BYTES_MAX} bytes, none a control"
            ));
        }
        if !names.insert(name) {
            return Err(format!("has two columns named `{name}`"));
        }
    }
    Ok(())
}
