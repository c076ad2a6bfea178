//! Memory for what the host writes into the sandbox.

use std::alloc::{Layout, alloc, handle_alloc_error, realloc as grow};

/// `cabi_realloc`: the host requests memory for an argument.
///
/// # Safety
/// `old` is null, or came from here with this size and alignment.
pub unsafe fn realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
    if new_size == 0 {
        return std::ptr::without_provenance_mut(align);
    }
    // SAFETY: the canonical ABI asks for powers of two, and memory of 32 bits has no larger sizes than a layout may have.
    let layout = unsafe { Layout::from_size_align_unchecked(new_size, align) };
    // SAFETY: `new_size` is not 0; `old` as the caller says.
    let memory = unsafe {
        match old_size {
            0 => alloc(layout),
            _ => grow(old, Layout::from_size_align_unchecked(old_size, align), new_size),
        }
    };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory
}

/// Frees what the last call returned, which the host has read.
pub fn free_returned() {
    super::calls::forget_returned();
}
