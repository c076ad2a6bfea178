//! From the host's arguments to Rust values. Lists stay where the host wrote them: in memory from `cabi_realloc`, which belongs
//! to the guest and has the alignment and size of a vector of the same elements.

use crate::column::batch::{Batch, Column, Values, VarValues};
use crate::export::layout::{RawColumn, RawField, RawList};
use crate::schema::{DataType, Field};

/// Returns the list as a vector.
///
/// # Safety
/// It is a list of `T`, from the host, and is lifted once.
pub(crate) unsafe fn vec<T>(list: RawList) -> Vec<T> {
    if list.len == 0 {
        return Vec::new();
    }
    // SAFETY: see the module's head.
    unsafe { Vec::from_raw_parts(list.start.cast_mut().cast(), list.len, list.len) }
}

/// # Safety
/// It is a string from the host, which is UTF-8 by the contract, and is lifted once.
pub(crate) unsafe fn string(list: RawList) -> String {
    // SAFETY: as the caller says.
    unsafe { String::from_utf8_unchecked(vec(list)) }
}

/// # Safety
/// It is `var-values` from the host, and is lifted once.
pub(crate) unsafe fn var_values(offsets: RawList, data: RawList) -> VarValues {
    // SAFETY: as the caller says.
    unsafe { VarValues { offsets: vec(offsets), data: vec(data) } }
}

/// # Safety
/// It is a column from the host, and is lifted once.
unsafe fn column(raw: &RawColumn) -> Column {
    // SAFETY: `values` says what the lists hold.
    unsafe {
        let values = match raw.values {
            0 => Values::Booleans(vec(raw.first)),
            1 => Values::Int64s(vec(raw.first)),
            2 => Values::Float64s(vec(raw.first)),
            3 => Values::Texts(var_values(raw.first, raw.second)),
            4 => Values::ByteStrings(var_values(raw.first, raw.second)),
            _ => Values::Timestamps(vec(raw.first)),
        };
        Column { values, validity: (raw.has_validity != 0).then(|| vec(raw.validity)) }
    }
}

/// # Safety
/// It is a batch from the host (whose texts are UTF-8 by the contract), and is lifted once.
pub(crate) unsafe fn batch(rows: u32, columns: RawList) -> Batch {
    // SAFETY: as the caller says.
    unsafe {
        let columns: Vec<RawColumn> = vec(columns);
        Batch::new_unchecked(rows as usize, columns.iter().map(|raw| column(raw)).collect())
    }
}

/// # Safety
/// It is a list of lists of fields from the host, and is lifted once.
pub(crate) unsafe fn schemas(inputs: RawList) -> Vec<Vec<Field>> {
    // SAFETY: as the caller says.
    let field = |raw: RawField| unsafe {
        Field {
            name: string(raw.name).into(),
            data_type: DataType::ALL[usize::from(raw.data_type)],
            nullable: raw.nullable != 0,
        }
    };
    // SAFETY: as the caller says.
    unsafe {
        let inputs: Vec<RawList> = vec(inputs);
        inputs.into_iter().map(|fields| vec(fields).into_iter().map(field).collect()).collect()
    }
}
