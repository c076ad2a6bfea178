//! From Rust values to what the host reads, without copies: results point into values that are kept until the host has read them.

use std::any::Any;

use crate::column::batch::{Column, Values, VarValues};
use crate::export::layout::{
    RawColumn, RawFailure, RawField, RawFunction, RawList, RawOutput, RawResult, RawRowsOut, RawStateSlot, RawVarValues,
};
use crate::function::answer::{Answer, RowFailure, RowsOut, Selection};
use crate::function::binding::Binding;
use crate::function::plugin::Plugin;
use crate::schema::Field;

/// Values that the host is going to read.
#[derive(Default)]
pub(crate) struct Kept(Vec<Box<dyn Any>>);

impl Kept {
    /// Keeps a value. The address of its items on the heap stays the same.
    fn keep<T: 'static>(&mut self, items: Vec<T>) -> RawList {
        let list = RawList::of(&items);
        if items.capacity() != 0 {
            self.0.push(Box::new(items));
        }
        list
    }

    fn keep_text(&mut self, text: String) -> RawList {
        self.keep(text.into_bytes())
    }

    fn var_values(&mut self, values: VarValues) -> RawVarValues {
        RawVarValues { offsets: self.keep(values.offsets), data: self.keep(values.data) }
    }

    fn column(&mut self, column: Column) -> RawColumn {
        let (case, first, second) = match column.values {
            Values::Booleans(bits) => (0, self.keep(bits), RawList::EMPTY),
            Values::Int64s(values) => (1, self.keep(values), RawList::EMPTY),
            Values::Float64s(values) => (2, self.keep(values), RawList::EMPTY),
            Values::Texts(values) => (3, self.keep(values.offsets), self.keep(values.data)),
            Values::ByteStrings(values) => (4, self.keep(values.offsets), self.keep(values.data)),
            Values::Timestamps(values) => (5, self.keep(values), RawList::EMPTY),
        };
        let (has_validity, validity) = match column.validity {
            Some(bits) => (1, self.keep(bits)),
            None => (0, RawList::EMPTY),
        };
        RawColumn { values: case, first, second, has_validity, validity }
    }

    fn columns(&mut self, columns: Vec<Column>) -> RawList {
        let columns: Vec<RawColumn> = columns.into_iter().map(|column| self.column(column)).collect();
        self.keep(columns)
    }

    fn rows_out(&mut self, output: RowsOut) -> RawRowsOut {
        let (selection, rows) = match output.selection {
            Selection::All => (0, RawList::EMPTY),
            Selection::Rows(rows) => (1, self.keep(rows)),
        };
        RawRowsOut { selection, rows, columns: self.columns(output.columns) }
    }

    fn failures(&mut self, failures: Vec<RowFailure>) -> RawList {
        let failures: Vec<RawFailure> = failures
            .into_iter()
            .map(|failure| RawFailure { row: failure.row, message: self.keep_text(failure.message) })
            .collect();
        self.keep(failures)
    }

    fn fields(&mut self, fields: Vec<Field>) -> RawList {
        let fields: Vec<RawField> = fields
            .into_iter()
            .map(|field| RawField {
                name: self.keep_text(field.name.into_owned()),
                data_type: field.data_type as u8,
                nullable: field.nullable.into(),
            })
            .collect();
        self.keep(fields)
    }

    /// `result<T, string>`.
    fn result(value: Result<[RawList; 3], RawList>) -> RawResult {
        match value {
            Ok(lists) => RawResult { failed: 0, lists },
            Err(error) => RawResult { failed: 1, lists: [error, RawList::EMPTY, RawList::EMPTY] },
        }
    }

    /// `result<answer, string>`.
    pub(crate) fn answer(&mut self, answer: Result<Answer, String>) -> RawResult {
        Self::result(answer.map_err(|error| self.keep_text(error)).map(|answer| {
            let outputs: Vec<RawRowsOut> = answer.outputs.into_iter().map(|output| self.rows_out(output)).collect();
            [self.keep(outputs), self.failures(answer.failures), RawList::EMPTY]
        }))
    }

    /// `result<updated, string>` and, without failures, `result<var-values, string>`: their beginnings are the same.
    pub(crate) fn accumulators(&mut self, updated: Result<(VarValues, Vec<RowFailure>), String>) -> RawResult {
        Self::result(updated.map_err(|error| self.keep_text(error)).map(|(accumulators, failures)| {
            let RawVarValues { offsets, data } = self.var_values(accumulators);
            [offsets, data, self.failures(failures)]
        }))
    }

    /// `result<list<column>, string>`.
    pub(crate) fn results(&mut self, columns: Result<Vec<Column>, String>) -> RawResult {
        Self::result(
            columns
                .map_err(|error| self.keep_text(error))
                .map(|columns| [self.columns(columns), RawList::EMPTY, RawList::EMPTY]),
        )
    }

    /// `result<binding, list<string>>`.
    pub(crate) fn binding(&mut self, binding: Result<Binding, Vec<String>>) -> RawResult {
        let binding = match binding {
            Ok(binding) => binding,
            Err(problems) => {
                let problems: Vec<RawList> = problems.into_iter().map(|problem| self.keep_text(problem)).collect();
                return Self::result(Err(self.keep(problems)));
            }
        };
        let inputs: Vec<RawList> = binding.inputs.into_iter().map(|fields| self.fields(fields)).collect();
        let outputs: Vec<RawOutput> = binding
            .outputs
            .into_iter()
            .map(|output| RawOutput {
                name: self.keep_text(output.name),
                columns: self.fields(output.columns),
                passthrough: output.passthrough.into(),
            })
            .collect();
        let state = binding.state.iter().map(|slot| RawStateSlot {
            name: RawList::text(slot.name),
            kind: slot.kind as u8,
            version: slot.version,
            has_ttl: slot.ttl_ms.is_some().into(),
            ttl_ms: slot.ttl_ms.unwrap_or(0),
        });
        let state: Vec<RawStateSlot> = state.collect();
        Self::result(Ok([self.keep(inputs), self.keep(outputs), self.keep(state)]))
    }

    /// `list<function>`.
    pub(crate) fn functions(&mut self, plugin: &Plugin) -> RawList {
        let functions: Vec<RawFunction> = plugin
            .functions
            .iter()
            .map(|function| {
                let schema = (function.config_schema)();
                let inputs: Vec<RawList> = (function.inputs)().into_iter().map(|fields| self.fields(fields)).collect();
                RawFunction {
                    name: RawList::text(function.name),
                    kind: function.kind as u8,
                    doc: RawList::text(function.doc),
                    has_schema: schema.is_some().into(),
                    schema: schema.map_or(RawList::EMPTY, |schema| self.keep_text(schema)),
                    inputs: self.keep(inputs),
                }
            })
            .collect();
        self.keep(functions)
    }

    /// Keeps the result itself.
    pub(crate) fn place<T: 'static>(&mut self, result: T) -> *const u8 {
        self.keep(vec![result]).start
    }
}
