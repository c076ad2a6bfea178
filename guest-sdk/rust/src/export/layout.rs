//! The records of the contract as the canonical ABI lays them out in memory.
//!
//! Lists are an address and a length; a variant is a byte that says which case, then the payload of the largest case.
//! The sizes are those of a 32-bit machine; elsewhere (in tests) only the order of the fields is the same.

/// A list, or a string.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawList {
    pub(crate) start: *const u8,
    pub(crate) len: usize,
}

impl RawList {
    /// A list without items, aligned for items of any type.
    pub(crate) const EMPTY: RawList = RawList { start: std::ptr::without_provenance(8), len: 0 };

    pub(crate) fn of<T>(items: &[T]) -> Self {
        RawList { start: items.as_ptr().cast(), len: items.len() }
    }

    pub(crate) fn text(text: &str) -> Self {
        RawList::of(text.as_bytes())
    }
}

/// `var-values`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawVarValues {
    pub(crate) offsets: RawList,
    pub(crate) data: RawList,
}

/// `column`: `values` and `validity`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawColumn {
    /// 0 = booleans, 1 = int64s, 2 = float64s, 3 = texts, 4 = byte-strings, 5 = timestamps.
    pub(crate) values: u8,
    /// The list, or the offsets of `var-values`.
    pub(crate) first: RawList,
    /// The data of `var-values`.
    pub(crate) second: RawList,
    /// 1 = there is a list.
    pub(crate) has_validity: u8,
    pub(crate) validity: RawList,
}

/// `rows-out`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawRowsOut {
    /// 0 = all, 1 = rows.
    pub(crate) selection: u8,
    pub(crate) rows: RawList,
    pub(crate) columns: RawList,
}

/// `row-failure`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawFailure {
    pub(crate) row: u32,
    pub(crate) message: RawList,
}

/// `field`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawField {
    pub(crate) name: RawList,
    pub(crate) data_type: u8,
    pub(crate) nullable: u8,
}

/// `function`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawFunction {
    pub(crate) name: RawList,
    pub(crate) kind: u8,
    pub(crate) doc: RawList,
    /// 1 = there is a string.
    pub(crate) has_schema: u8,
    pub(crate) schema: RawList,
    pub(crate) inputs: RawList,
}

/// `output` of a binding.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawOutput {
    pub(crate) name: RawList,
    pub(crate) columns: RawList,
    pub(crate) passthrough: u8,
}

/// `state-slot`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawStateSlot {
    pub(crate) name: RawList,
    pub(crate) kind: u8,
    pub(crate) version: u32,
    /// 1 = there is a time-to-live.
    pub(crate) has_ttl: u8,
    pub(crate) ttl_ms: u64,
}

/// `timer`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RawTimer {
    pub(crate) key: u32,
    /// 0 = event time, 1 = processing time.
    pub(crate) clock: u8,
    pub(crate) time: i64,
    pub(crate) tag: u64,
}

/// The result of a call: `result<T, E>` where `T` and `E` are at most three lists.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawResult {
    /// 0 = ok, 1 = error.
    pub(crate) failed: u8,
    pub(crate) lists: [RawList; 3],
}

#[cfg(target_arch = "wasm32")]
const _: () = {
    assert!(size_of::<RawColumn>() == 32 && size_of::<RawRowsOut>() == 20 && size_of::<RawFailure>() == 12);
    assert!(size_of::<RawField>() == 12 && size_of::<RawFunction>() == 40 && size_of::<RawOutput>() == 20);
    assert!(size_of::<RawStateSlot>() == 32 && std::mem::offset_of!(RawStateSlot, has_ttl) == 16);
    assert!(size_of::<RawTimer>() == 24 && std::mem::offset_of!(RawTimer, clock) == 4);
    assert!(size_of::<RawResult>() == 28 && std::mem::offset_of!(RawColumn, has_validity) == 20);
};
