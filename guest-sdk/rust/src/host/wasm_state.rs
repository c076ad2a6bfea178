//! The imports `state` and `timers` (`host.wit`) by the canonical ABI, as in `wasm.rs`. Only plugins with process functions have
//! them: the linker leaves out functions that are not called.

use crate::column::batch::VarValues;
use crate::export::layout::{RawList, RawTimer};
use crate::export::lift;
use crate::state::optional::OptionalValues;

/// `optional-values`.
#[repr(C)]
struct RawOptionalValues {
    present: RawList,
    offsets: RawList,
    data: RawList,
}

impl RawOptionalValues {
    const EMPTY: Self = RawOptionalValues { present: RawList::EMPTY, offsets: RawList::EMPTY, data: RawList::EMPTY };

    /// # Safety
    /// The host has just written it, and it is not used again.
    unsafe fn take(self) -> OptionalValues {
        // SAFETY: lists from the host are in memory that it got from `cabi_realloc`.
        unsafe {
            OptionalValues { present: lift::vec(self.present), values: lift::var_values(self.offsets, self.data) }
        }
    }
}

/// Returns the values of every key of the call.
pub(crate) fn get_all(slot: u32) -> OptionalValues {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "get-all"]
        fn get_all(slot: u32, result: *mut RawOptionalValues);
    }
    let mut result = RawOptionalValues::EMPTY;
    // SAFETY: the layout is that of `optional-values`, which the host writes.
    unsafe {
        get_all(slot, &mut result);
        result.take()
    }
}

/// Sets or clears the values of `keys`.
pub(crate) fn set_all(slot: u32, keys: &[u32], values: &OptionalValues) {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "set-all"]
        fn set_all(
            slot: u32,
            keys: *const u32,
            keys_len: usize,
            present: *const u8,
            present_len: usize,
            offsets: *const u32,
            offsets_len: usize,
            data: *const u8,
            data_len: usize,
        );
    }
    let OptionalValues { present, values: VarValues { offsets, data } } = values;
    // SAFETY: the lists are alive during the call.
    unsafe {
        set_all(
            slot,
            keys.as_ptr(),
            keys.len(),
            present.as_ptr(),
            present.len(),
            offsets.as_ptr(),
            offsets.len(),
            data.as_ptr(),
            data.len(),
        );
    }
}

/// Returns, for each `i`, entry `entries[i]` of key `keys[i]`.
pub(crate) fn map_get(slot: u32, keys: &[u32], entries: &VarValues) -> OptionalValues {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "map-get"]
        fn map_get(
            slot: u32,
            keys: *const u32,
            keys_len: usize,
            offsets: *const u32,
            offsets_len: usize,
            data: *const u8,
            data_len: usize,
            result: *mut RawOptionalValues,
        );
    }
    let VarValues { offsets, data } = entries;
    let mut result = RawOptionalValues::EMPTY;
    // SAFETY: the lists are alive during the call; the layout is that of `optional-values`, which the host writes.
    unsafe {
        map_get(
            slot,
            keys.as_ptr(),
            keys.len(),
            offsets.as_ptr(),
            offsets.len(),
            data.as_ptr(),
            data.len(),
            &mut result,
        );
        result.take()
    }
}

/// For each `i`, sets or removes entry `entries[i]` of key `keys[i]`.
pub(crate) fn map_set(slot: u32, keys: &[u32], entries: &VarValues, values: &OptionalValues) {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "map-set"]
        fn map_set(
            slot: u32,
            keys: *const u32,
            keys_len: usize,
            entry_offsets: *const u32,
            entry_offsets_len: usize,
            entry_data: *const u8,
            entry_data_len: usize,
            present: *const u8,
            present_len: usize,
            offsets: *const u32,
            offsets_len: usize,
            data: *const u8,
            data_len: usize,
        );
    }
    let OptionalValues { present, values: VarValues { offsets, data } } = values;
    // SAFETY: the lists are alive during the call.
    unsafe {
        map_set(
            slot,
            keys.as_ptr(),
            keys.len(),
            entries.offsets.as_ptr(),
            entries.offsets.len(),
            entries.data.as_ptr(),
            entries.data.len(),
            present.as_ptr(),
            present.len(),
            offsets.as_ptr(),
            offsets.len(),
            data.as_ptr(),
            data.len(),
        );
    }
}

/// Returns up to `limit` entries of one key, those after `after`.
pub(crate) fn map_entries(slot: u32, key: u32, after: Option<&[u8]>, limit: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "map-entries"]
        fn map_entries(
            slot: u32,
            key: u32,
            has_after: i32,
            after: *const u8,
            after_len: usize,
            limit: u32,
            result: *mut RawList,
        );
    }
    /// `tuple<list<u8>, list<u8>>`.
    #[repr(C)]
    struct RawEntry {
        entry: RawList,
        value: RawList,
    }
    let mut result = RawList::EMPTY;
    // Without `after` there are no bytes; the flag before them says so.
    let bytes = after.unwrap_or_default();
    // SAFETY: `bytes` is alive during the call; the host writes a list of tuples of lists.
    unsafe {
        map_entries(slot, key, after.is_some().into(), bytes.as_ptr(), bytes.len(), limit, &mut result);
        let entries: Vec<RawEntry> = lift::vec(result);
        entries.into_iter().map(|RawEntry { entry, value }| (lift::vec(entry), lift::vec(value))).collect()
    }
}

/// Removes every entry of these keys.
pub(crate) fn map_clear(slot: u32, keys: &[u32]) {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "map-clear"]
        fn map_clear(slot: u32, keys: *const u32, keys_len: usize);
    }
    // SAFETY: the list is alive during the call.
    unsafe { map_clear(slot, keys.as_ptr(), keys.len()) }
}

/// For each `i`, appends `elements[i]` to the list of key `keys[i]`.
pub(crate) fn list_append(slot: u32, keys: &[u32], elements: &VarValues) {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "list-append"]
        fn list_append(
            slot: u32,
            keys: *const u32,
            keys_len: usize,
            offsets: *const u32,
            offsets_len: usize,
            data: *const u8,
            data_len: usize,
        );
    }
    let VarValues { offsets, data } = elements;
    // SAFETY: the lists are alive during the call.
    unsafe {
        list_append(slot, keys.as_ptr(), keys.len(), offsets.as_ptr(), offsets.len(), data.as_ptr(), data.len());
    }
}

/// Returns up to `limit` elements of one key, from position `start` on.
pub(crate) fn list_elements(slot: u32, key: u32, start: u32, limit: u32) -> VarValues {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "list-elements"]
        fn list_elements(slot: u32, key: u32, start: u32, limit: u32, result: *mut [RawList; 2]);
    }
    let mut result = [RawList::EMPTY; 2];
    // SAFETY: the layout is that of `var-values`, which the host writes.
    unsafe {
        list_elements(slot, key, start, limit, &mut result);
        lift::var_values(result[0], result[1])
    }
}

/// Removes the elements of the lists of these keys.
pub(crate) fn list_clear(slot: u32, keys: &[u32]) {
    #[link(wasm_import_module = "flowgate:plugin/state@0.1.0")]
    unsafe extern "C" {
        #[link_name = "list-clear"]
        fn list_clear(slot: u32, keys: *const u32, keys_len: usize);
    }
    // SAFETY: the list is alive during the call.
    unsafe { list_clear(slot, keys.as_ptr(), keys.len()) }
}

/// Sets timers.
pub(crate) fn set_timers(timers: &[RawTimer]) {
    #[link(wasm_import_module = "flowgate:plugin/timers@0.1.0")]
    unsafe extern "C" {
        #[link_name = "set"]
        fn set(timers: *const RawTimer, timers_len: usize);
    }
    // SAFETY: the list is alive during the call.
    unsafe { set(timers.as_ptr(), timers.len()) }
}

/// Clears timers.
pub(crate) fn clear_timers(timers: &[RawTimer]) {
    #[link(wasm_import_module = "flowgate:plugin/timers@0.1.0")]
    unsafe extern "C" {
        #[link_name = "clear"]
        fn clear(timers: *const RawTimer, timers_len: usize);
    }
    // SAFETY: the list is alive during the call.
    unsafe { clear(timers.as_ptr(), timers.len()) }
}
