//! The exported functions: each reads its arguments, calls the opened function, and returns the address of the result.
//!
//! The sandbox has one thread, and the host makes one call after another. So there is one place for the result of a call, and one
//! for the opened function.

use std::cell::RefCell;

use crate::column::batch::Batch;
use crate::export::layout::{RawList, RawTimer};
use crate::export::lift;
use crate::export::lower::Kept;
use crate::function::aggregate::Updated;
use crate::function::plugin::{Call, Opened, Plugin};

thread_local! {
    static OPENED: RefCell<Option<Opened>> = const { RefCell::new(None) };
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// Frees what the last call returned: the host has read it.
pub(crate) fn forget_returned() {
    KEPT.take();
}

/// Makes a panic log its message before the guest traps.
fn log_panics() {
    #[cfg(target_arch = "wasm32")]
    {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            std::panic::set_hook(Box::new(|panic| crate::log::log(crate::log::Level::Error, format_args!("{panic}"))));
        });
    }
}

fn with_call<T>(serve: impl FnOnce(&Call) -> Result<T, String>) -> Result<T, String> {
    OPENED.with_borrow(|opened| match opened {
        Some(opened) => serve(&opened.call),
        None => Err("the function was called before it was opened".into()),
    })
}

fn place_result<T: 'static>(lower: impl FnOnce(&mut Kept) -> T) -> *const u8 {
    KEPT.with_borrow_mut(|kept| {
        let result = lower(kept);
        kept.place(result)
    })
}

/// `operator.describe`.
pub fn describe(plugin: &Plugin) -> *const u8 {
    log_panics();
    place_result(|kept| kept.functions(plugin))
}

/// `operator.open`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn open(
    plugin: &Plugin,
    function: (*const u8, usize),
    config: (*const u8, usize),
    inputs: (*const u8, usize),
) -> *const u8 {
    log_panics();
    // SAFETY: as the caller says.
    let (function, config, inputs) =
        unsafe { (lift::string(list(function)), lift::string(list(config)), lift::schemas(list(inputs))) };
    let binding = plugin.open(&function, &config, &inputs).map(|opened| {
        let binding = opened.binding.clone();
        OPENED.set(Some(opened));
        binding
    });
    place_result(|kept| kept.binding(binding))
}

/// `transform.apply`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn transform(rows: u32, columns: (*const u8, usize)) -> *const u8 {
    // SAFETY: as the caller says.
    let batch = unsafe { lift::batch(rows, list(columns)) };
    let answer = with_call(|call| match call {
        Call::Transform(apply) => apply(&batch),
        other => Err(other_kind(other, "transform")),
    });
    place_result(|kept| kept.answer(answer))
}

/// `aggregate.update`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn update(
    accumulators: [(*const u8, usize); 2],
    groups: (*const u8, usize),
    rows: u32,
    columns: (*const u8, usize),
) -> *const u8 {
    // SAFETY: as the caller says.
    let (accumulators, groups, batch) =
        unsafe { (var_values(accumulators), lift::vec::<u32>(list(groups)), lift::batch(rows, list(columns))) };
    let updated = with_call(|call| match call {
        Call::Aggregate(aggregate) => aggregate.update(&accumulators, &groups, &batch),
        other => Err(other_kind(other, "aggregate")),
    });
    place_result(|kept| kept.accumulators(updated.map(|Updated { accumulators, failures }| (accumulators, failures))))
}

/// `aggregate.merge`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn merge(left: [(*const u8, usize); 2], right: [(*const u8, usize); 2]) -> *const u8 {
    // SAFETY: as the caller says.
    let (left, right) = unsafe { (var_values(left), var_values(right)) };
    let merged = with_call(|call| match call {
        Call::Aggregate(aggregate) => aggregate.merge(&left, &right),
        other => Err(other_kind(other, "aggregate")),
    });
    place_result(|kept| kept.accumulators(merged.map(|accumulators| (accumulators, Vec::new()))))
}

/// `aggregate.finish`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn finish(accumulators: [(*const u8, usize); 2]) -> *const u8 {
    // SAFETY: as the caller says.
    let accumulators = unsafe { var_values(accumulators) };
    let columns = with_call(|call| match call {
        Call::Aggregate(aggregate) => aggregate.finish(&accumulators),
        other => Err(other_kind(other, "aggregate")),
    });
    place_result(|kept| kept.results(columns))
}

/// `join.apply`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn join(left: (u32, *const u8, usize), right: (u32, *const u8, usize)) -> *const u8 {
    // SAFETY: as the caller says.
    let (left, right) = unsafe { (batch(left), batch(right)) };
    let answer = with_call(|call| match call {
        Call::Join(apply) => apply(&left, &right),
        other => Err(other_kind(other, "join")),
    });
    place_result(|kept| kept.answer(answer))
}

/// `process.on-batch`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn on_batch(
    input: u32,
    keys: (u32, *const u8, usize),
    key_of_row: (*const u8, usize),
    rows: (u32, *const u8, usize),
) -> *const u8 {
    // SAFETY: as the caller says.
    let (keys, key_of_row, rows) = unsafe { (batch(keys), lift::vec::<u32>(list(key_of_row)), batch(rows)) };
    let answer = with_call(|call| match call {
        Call::Process(process) => process.on_batch(input, &keys, &key_of_row, &rows),
        other => Err(other_kind(other, "process")),
    });
    place_result(|kept| kept.answer(answer))
}

/// `process.on-timers`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn on_timers(keys: (u32, *const u8, usize), timers: (*const u8, usize)) -> *const u8 {
    // SAFETY: as the caller says.
    let (keys, timers) = unsafe { (batch(keys), lift::vec::<RawTimer>(list(timers))) };
    let answer = with_call(|call| match call {
        Call::Process(process) => process.on_timers(&keys, &timers),
        other => Err(other_kind(other, "process")),
    });
    place_result(|kept| kept.answer(answer))
}

/// `migrate.migrate`.
///
/// # Safety
/// The arguments are the host's, by the canonical ABI.
pub unsafe fn migrate(slot: (*const u8, usize), from_version: u32, values: [(*const u8, usize); 2]) -> *const u8 {
    // SAFETY: as the caller says.
    let (slot, values) = unsafe { (lift::string(list(slot)), var_values(values)) };
    let migrated = with_call(|call| match call {
        Call::Process(process) => process.migrate(&slot, from_version, &values),
        other => Err(other_kind(other, "migrate")),
    });
    place_result(|kept| kept.accumulators(migrated.map(|values| (values, Vec::new()))))
}

/// # Safety
/// It is a batch of the host, and is lifted once.
unsafe fn batch((rows, columns, len): (u32, *const u8, usize)) -> Batch {
    // SAFETY: as the caller says.
    unsafe { lift::batch(rows, list((columns, len))) }
}

fn list((start, len): (*const u8, usize)) -> RawList {
    RawList { start, len }
}

/// # Safety
/// They are `var-values` of the host, and are lifted once.
unsafe fn var_values([offsets, data]: [(*const u8, usize); 2]) -> crate::column::batch::VarValues {
    // SAFETY: as the caller says.
    unsafe { lift::var_values(list(offsets), list(data)) }
}

fn other_kind(opened: &Call, called: &str) -> String {
    format!("{} was opened, and `{called}` is called", opened.kind())
}
