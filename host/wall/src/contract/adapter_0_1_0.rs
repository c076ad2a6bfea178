//! Version 0.1.0 of the contract, adapted to what the wall works with.

use wasmtime::component::{HasSelf, Instance, InstancePre, Linker};
use wasmtime::{Result, Store};

use super::super::binding::{Kind, StateKind, StateSlot};
use super::super::host_state::HostState;
use super::super::keyed::{Timer, TimerClock};
use super::super::wire::{
    AnswerRaw, ColumnIn, ColumnOut, RowFailure, RowsOutRaw, UpdatedRaw, ValuesIn, ValuesOut, VarIn, VarValues,
};
use super::bindings_0_1_0::exports::flowgate::plugin::{aggregate, join, migrate, operator, process, transform};
use super::bindings_0_1_0::flowgate::plugin::columns::{
    Batch, ColumnParam, ColumnResult, DataType as WitType, FieldParam, FieldResult, ValuesParam, ValuesResult,
    VarValuesParam, VarValuesResult,
};
use super::bindings_0_1_0::flowgate::plugin::{context, files, log, metrics, output, state, timers};
use flowgate_base::schema::{DataType, Field};

/// Makes every import of the contract available to plugins.
pub(in super::super) fn add_to_linker(linker: &mut Linker<HostState>) -> Result<()> {
    log::add_to_linker::<_, HasSelf<_>>(linker, |s| s)?;
    metrics::add_to_linker::<_, HasSelf<_>>(linker, |s| s)?;
    context::add_to_linker::<_, HasSelf<_>>(linker, |s| s)?;
    files::add_to_linker::<_, HasSelf<_>>(linker, |s| s)?;
    state::add_to_linker::<_, HasSelf<_>>(linker, |s| s)?;
    timers::add_to_linker::<_, HasSelf<_>>(linker, |s| s)
}

/// Which of the contract's interfaces a component exports.
pub(in super::super) struct Exports {
    operator: operator::GuestIndices,
    transform: Option<transform::GuestIndices>,
    aggregate: Option<aggregate::GuestIndices>,
    join: Option<join::GuestIndices>,
    process: Option<process::GuestIndices>,
    migrate: Option<migrate::GuestIndices>,
}

impl Exports {
    /// Looks the interfaces up one by one. An interface that is exported without one of its functions is an error.
    pub(in super::super) fn of(pre: &InstancePre<HostState>) -> Result<Self> {
        let has =
            |name: &str| pre.component().get_export_index(None, format!("flowgate:plugin/{name}@0.1.0")).is_some();
        Ok(Exports {
            operator: operator::GuestIndices::new(pre)?,
            transform: has("transform").then(|| transform::GuestIndices::new(pre)).transpose()?,
            aggregate: has("aggregate").then(|| aggregate::GuestIndices::new(pre)).transpose()?,
            join: has("join").then(|| join::GuestIndices::new(pre)).transpose()?,
            process: has("process").then(|| process::GuestIndices::new(pre)).transpose()?,
            migrate: has("migrate").then(|| migrate::GuestIndices::new(pre)).transpose()?,
        })
    }

    /// Whether the interface that serves this kind is there.
    pub(in super::super) fn serve(&self, kind: Kind) -> bool {
        match kind {
            Kind::Transform => self.transform.is_some(),
            Kind::Aggregate => self.aggregate.is_some(),
            Kind::Join => self.join.is_some(),
            Kind::Process => self.process.is_some(),
        }
    }

    /// Whether the interface that reads state of older versions is there.
    pub(in super::super) fn migrates(&self) -> bool {
        self.migrate.is_some()
    }
}

/// A function as `describe` returns it.
pub(in super::super) struct Described {
    pub(in super::super) name: String,
    pub(in super::super) kind: Kind,
    pub(in super::super) doc: String,
    pub(in super::super) config_schema: Option<String>,
    pub(in super::super) inputs: Vec<Vec<Field>>,
}

/// A binding as `open` returns it.
pub(in super::super) struct Bound {
    pub(in super::super) inputs: Vec<Vec<Field>>,
    pub(in super::super) outputs: Vec<(String, Vec<Field>, bool)>,
    pub(in super::super) state: Vec<StateSlot>,
}

/// The exports of one instance. The outer error of each call is a trap, the inner one the plugin's own.
pub(in super::super) struct Guest {
    operator: operator::Guest,
    transform: Option<transform::Guest>,
    aggregate: Option<aggregate::Guest>,
    join: Option<join::Guest>,
    process: Option<process::Guest>,
    migrate: Option<migrate::Guest>,
}

impl Guest {
    /// Looks the functions up in an instance and checks their types.
    pub(in super::super) fn load(exports: &Exports, store: &mut Store<HostState>, instance: &Instance) -> Result<Self> {
        Ok(Guest {
            operator: exports.operator.load(&mut *store, instance)?,
            transform: exports.transform.as_ref().map(|i| i.load(&mut *store, instance)).transpose()?,
            aggregate: exports.aggregate.as_ref().map(|i| i.load(&mut *store, instance)).transpose()?,
            join: exports.join.as_ref().map(|i| i.load(&mut *store, instance)).transpose()?,
            process: exports.process.as_ref().map(|i| i.load(&mut *store, instance)).transpose()?,
            migrate: exports.migrate.as_ref().map(|i| i.load(&mut *store, instance)).transpose()?,
        })
    }

    pub(in super::super) fn describe(&self, store: &mut Store<HostState>) -> Result<Vec<Described>> {
        let functions = self.operator.call_describe(store)?;
        Ok(functions.into_iter().map(described).collect())
    }

    pub(in super::super) fn open(
        &self,
        store: &mut Store<HostState>,
        function: &str,
        config: &str,
        inputs: &[Vec<Field>],
    ) -> Result<std::result::Result<Bound, Vec<String>>> {
        let inputs: Vec<Vec<FieldParam<'_>>> = inputs.iter().map(|f| f.iter().map(field_param).collect()).collect();
        let inputs: Vec<&[FieldParam<'_>]> = inputs.iter().map(Vec::as_slice).collect();
        Ok(self.operator.call_open(store, function, config, &inputs)?.map(bound))
    }

    pub(in super::super) fn apply(
        &self,
        store: &mut Store<HostState>,
        row_count: u32,
        input: &[ColumnIn<'_>],
    ) -> Result<std::result::Result<AnswerRaw, String>> {
        let Some(transform) = &self.transform else { return Err(not_exported("transform")) };
        let columns: Vec<ColumnParam<'_>> = input.iter().map(column_param).collect();
        Ok(transform.call_apply(store, Batch { row_count, columns: &columns })?.map(answer))
    }

    pub(in super::super) fn join(
        &self,
        store: &mut Store<HostState>,
        row_count: u32,
        left: &[ColumnIn<'_>],
        right: &[ColumnIn<'_>],
    ) -> Result<std::result::Result<AnswerRaw, String>> {
        let Some(join) = &self.join else { return Err(not_exported("join")) };
        let left: Vec<ColumnParam<'_>> = left.iter().map(column_param).collect();
        let right: Vec<ColumnParam<'_>> = right.iter().map(column_param).collect();
        let (left, right) = (Batch { row_count, columns: &left }, Batch { row_count, columns: &right });
        Ok(join.call_apply(store, left, right)?.map(answer))
    }

    pub(in super::super) fn on_batch(
        &self,
        store: &mut Store<HostState>,
        input: u32,
        keys: (u32, &[ColumnIn<'_>]),
        key_of_row: &[u32],
        rows: &[ColumnIn<'_>],
    ) -> Result<std::result::Result<AnswerRaw, String>> {
        let Some(process) = &self.process else { return Err(not_exported("process")) };
        let key_columns: Vec<ColumnParam<'_>> = keys.1.iter().map(column_param).collect();
        let columns: Vec<ColumnParam<'_>> = rows.iter().map(column_param).collect();
        let keys = Batch { row_count: keys.0, columns: &key_columns };
        let rows = Batch { row_count: key_of_row.len() as u32, columns: &columns };
        Ok(process.call_on_batch(store, input, keys, key_of_row, rows)?.map(answer))
    }

    pub(in super::super) fn on_timers(
        &self,
        store: &mut Store<HostState>,
        keys: (u32, &[ColumnIn<'_>]),
        due: &[Timer],
    ) -> Result<std::result::Result<AnswerRaw, String>> {
        let Some(process) = &self.process else { return Err(not_exported("process")) };
        let key_columns: Vec<ColumnParam<'_>> = keys.1.iter().map(column_param).collect();
        let keys = Batch { row_count: keys.0, columns: &key_columns };
        let due: Vec<timers::Timer> = due.iter().map(timer_param).collect();
        Ok(process.call_on_timers(store, keys, &due)?.map(answer))
    }

    pub(in super::super) fn update(
        &self,
        store: &mut Store<HostState>,
        accumulators: &VarValues,
        groups: &[u32],
        row_count: u32,
        input: &[ColumnIn<'_>],
    ) -> Result<std::result::Result<UpdatedRaw, String>> {
        let Some(aggregate) = &self.aggregate else { return Err(not_exported("aggregate")) };
        let columns: Vec<ColumnParam<'_>> = input.iter().map(column_param).collect();
        let batch = Batch { row_count, columns: &columns };
        let updated = aggregate.call_update(store, var_values_param(accumulators), groups, batch)?;
        Ok(updated.map(|u| UpdatedRaw {
            accumulators: var_values(u.accumulators),
            failures: u.failures.into_iter().map(failure).collect(),
        }))
    }

    pub(in super::super) fn merge(
        &self,
        store: &mut Store<HostState>,
        left: &VarValues,
        right: &VarValues,
    ) -> Result<std::result::Result<VarValues, String>> {
        let Some(aggregate) = &self.aggregate else { return Err(not_exported("aggregate")) };
        let merged = aggregate.call_merge(store, var_values_param(left), var_values_param(right))?;
        Ok(merged.map(var_values))
    }

    pub(in super::super) fn finish(
        &self,
        store: &mut Store<HostState>,
        accumulators: &VarValues,
    ) -> Result<std::result::Result<Vec<ColumnOut>, String>> {
        let Some(aggregate) = &self.aggregate else { return Err(not_exported("aggregate")) };
        let columns = aggregate.call_finish(store, var_values_param(accumulators))?;
        Ok(columns.map(|c| c.into_iter().map(column).collect()))
    }

    pub(in super::super) fn migrate(
        &self,
        store: &mut Store<HostState>,
        slot: &str,
        from_version: u32,
        values: &VarIn<'_>,
    ) -> Result<std::result::Result<VarValues, String>> {
        let Some(migrate) = &self.migrate else { return Err(not_exported("migrate")) };
        let migrated = migrate.call_migrate(store, slot, from_version, var_param(values))?;
        Ok(migrated.map(var_values))
    }
}

fn timer_param(timer: &Timer) -> timers::Timer {
    let clock = match timer.clock {
        TimerClock::EventTime => timers::Clock::EventTime,
        TimerClock::ProcessingTime => timers::Clock::ProcessingTime,
    };
    timers::Timer { key: timer.key, clock, time: timer.time, tag: timer.tag }
}

fn not_exported(interface: &str) -> wasmtime::Error {
    wasmtime::format_err!("the plugin does not export `{interface}`")
}

fn described(function: operator::Function) -> Described {
    Described {
        name: function.name,
        kind: match function.kind {
            operator::Kind::Transform => Kind::Transform,
            operator::Kind::Aggregate => Kind::Aggregate,
            operator::Kind::Join => Kind::Join,
            operator::Kind::Process => Kind::Process,
        },
        doc: function.doc,
        config_schema: function.config_schema,
        inputs: function.inputs.into_iter().map(fields).collect(),
    }
}

fn bound(binding: operator::Binding) -> Bound {
    Bound {
        inputs: binding.inputs.into_iter().map(fields).collect(),
        outputs: binding.outputs.into_iter().map(|o| (o.name, fields(o.columns), o.passthrough)).collect(),
        state: binding
            .state
            .into_iter()
            .map(|slot| StateSlot {
                name: slot.name,
                kind: match slot.kind {
                    operator::StateKind::Value => StateKind::Value,
                    operator::StateKind::Map => StateKind::Map,
                    operator::StateKind::List => StateKind::List,
                },
                version: slot.version,
                ttl_ms: slot.ttl_ms,
            })
            .collect(),
    }
}

fn fields(fields: Vec<FieldResult>) -> Vec<Field> {
    fields
        .into_iter()
        .map(|f| Field {
            name: f.name,
            data_type: match f.data_type {
                WitType::Boolean => DataType::Boolean,
                WitType::Int64 => DataType::Int64,
                WitType::Float64 => DataType::Float64,
                WitType::Text => DataType::Text,
                WitType::Bytes => DataType::Bytes,
                WitType::Timestamp => DataType::Timestamp,
                WitType::Json => DataType::Json,
            },
            nullable: f.nullable,
        })
        .collect()
}

fn field_param(field: &Field) -> FieldParam<'_> {
    FieldParam {
        name: &field.name,
        data_type: match field.data_type {
            DataType::Boolean => WitType::Boolean,
            DataType::Int64 => WitType::Int64,
            DataType::Float64 => WitType::Float64,
            DataType::Text => WitType::Text,
            DataType::Bytes => WitType::Bytes,
            DataType::Timestamp => WitType::Timestamp,
            DataType::Json => WitType::Json,
        },
        nullable: field.nullable,
    }
}

fn column_param<'a>(column: &'a ColumnIn<'_>) -> ColumnParam<'a> {
    let values = match &column.values {
        ValuesIn::Booleans(bits) => ValuesParam::Booleans(bits),
        ValuesIn::Int64s(values) => ValuesParam::Int64s(values),
        ValuesIn::Float64s(values) => ValuesParam::Float64s(values),
        ValuesIn::Texts(values) => ValuesParam::Texts(var_param(values)),
        ValuesIn::ByteStrings(values) => ValuesParam::ByteStrings(var_param(values)),
        ValuesIn::Timestamps(values) => ValuesParam::Timestamps(values),
    };
    ColumnParam { values, validity: column.validity.as_deref() }
}

fn var_param<'a>(values: &'a VarIn<'_>) -> VarValuesParam<'a> {
    VarValuesParam { offsets: &values.offsets, data: values.data }
}

fn var_values_param(values: &VarValues) -> VarValuesParam<'_> {
    VarValuesParam { offsets: &values.offsets, data: &values.data }
}

fn var_values(values: VarValuesResult) -> VarValues {
    VarValues { offsets: values.offsets, data: values.data }
}

fn answer(answer: output::Answer) -> AnswerRaw {
    AnswerRaw {
        outputs: answer
            .outputs
            .into_iter()
            .map(|rows| RowsOutRaw {
                rows: match rows.selection {
                    output::Selection::All => None,
                    output::Selection::Rows(rows) => Some(rows),
                },
                columns: rows.columns.into_iter().map(column).collect(),
            })
            .collect(),
        failures: answer.failures.into_iter().map(failure).collect(),
    }
}

fn failure(failure: output::RowFailure) -> RowFailure {
    RowFailure { row: failure.row, message: failure.message }
}

fn column(column: ColumnResult) -> ColumnOut {
    let values = match column.values {
        ValuesResult::Booleans(bits) => ValuesOut::Booleans(bits),
        ValuesResult::Int64s(values) => ValuesOut::Int64s(values),
        ValuesResult::Float64s(values) => ValuesOut::Float64s(values),
        ValuesResult::Texts(values) => ValuesOut::Texts(var_values(values)),
        ValuesResult::ByteStrings(values) => ValuesOut::ByteStrings(var_values(values)),
        ValuesResult::Timestamps(values) => ValuesOut::Timestamps(values),
    };
    ColumnOut { values, validity: column.validity }
}
