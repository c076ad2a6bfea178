//! The imports (`host.wit`) by the canonical ABI: <https://component-model.bytecodealliance.org/advanced/canonical-abi.html>.
//!
//! Results that are not one number are written by the host to memory that the caller points at.

use crate::host::files::FileError;

/// Logs a line; `level` as in the contract, 0 = trace.
pub(crate) fn log(level: u8, message: &str) {
    #[link(wasm_import_module = "flowgate:plugin/log@0.1.0")]
    unsafe extern "C" {
        #[link_name = "log"]
        fn log(level: i32, message: *const u8, message_len: usize);
    }
    // SAFETY: the string is alive during the call.
    unsafe { log(level.into(), message.as_ptr(), message.len()) }
}

/// Adds to a counter.
pub(crate) fn add(counter: &str, n: u64) {
    #[link(wasm_import_module = "flowgate:plugin/metrics@0.1.0")]
    unsafe extern "C" {
        #[link_name = "add"]
        fn add(counter: *const u8, counter_len: usize, n: u64);
    }
    // SAFETY: the string is alive during the call.
    unsafe { add(counter.as_ptr(), counter.len(), n) }
}

/// Sets a gauge.
pub(crate) fn set(gauge: &str, value: f64) {
    #[link(wasm_import_module = "flowgate:plugin/metrics@0.1.0")]
    unsafe extern "C" {
        #[link_name = "set"]
        fn set(gauge: *const u8, gauge_len: usize, value: f64);
    }
    // SAFETY: the string is alive during the call.
    unsafe { set(gauge.as_ptr(), gauge.len(), value) }
}

/// Returns the watermark in milliseconds.
pub(crate) fn watermark() -> Option<i64> {
    #[link(wasm_import_module = "flowgate:plugin/context@0.1.0")]
    unsafe extern "C" {
        #[link_name = "watermark"]
        fn watermark(result: *mut OptionalMillis);
    }
    #[repr(C)]
    struct OptionalMillis {
        present: u8,
        millis: i64,
    }
    let mut result = OptionalMillis { present: 0, millis: 0 };
    // SAFETY: the layout is that of `option<s64>`.
    unsafe { watermark(&mut result) };
    (result.present != 0).then_some(result.millis)
}

/// Returns the processing time in milliseconds.
pub(crate) fn processing_time() -> i64 {
    #[link(wasm_import_module = "flowgate:plugin/context@0.1.0")]
    unsafe extern "C" {
        #[link_name = "processing-time"]
        fn processing_time() -> i64;
    }
    // SAFETY: it has no arguments, and returns a number.
    unsafe { processing_time() }
}

/// `file-error`.
#[repr(C)]
struct RawFileError {
    unreadable: u8,
    message: *mut u8,
    message_len: usize,
}

impl RawFileError {
    /// # Safety
    /// The host has just written it, and it is not used again.
    unsafe fn take(&self) -> FileError {
        if self.unreadable == 0 {
            return FileError::NotGranted;
        }
        // SAFETY: the host wrote the message into memory that it got from `cabi_realloc`, of this length.
        let message = unsafe { Vec::from_raw_parts(self.message, self.message_len, self.message_len) };
        FileError::Unreadable(String::from_utf8_lossy(&message).into_owned())
    }
}

/// Returns the number of bytes in the file.
pub(crate) fn file_size(name: &str) -> Result<u64, FileError> {
    #[link(wasm_import_module = "flowgate:plugin/files@0.1.0")]
    unsafe extern "C" {
        #[link_name = "size"]
        fn size(name: *const u8, name_len: usize, result: *mut Size);
    }
    #[repr(C)]
    struct Size {
        failed: u8,
        payload: SizeOrError,
    }
    #[repr(C)]
    union SizeOrError {
        size: u64,
        error: std::mem::ManuallyDrop<RawFileError>,
    }
    let mut result = Size { failed: 0, payload: SizeOrError { size: 0 } };
    // SAFETY: the layout is that of `result<u64, file-error>`; `failed` says which part of the union is valid.
    unsafe {
        size(name.as_ptr(), name.len(), &mut result);
        if result.failed == 0 { Ok(result.payload.size) } else { Err(result.payload.error.take()) }
    }
}

/// Reads up to `length` bytes at `offset`.
pub(crate) fn file_read(name: &str, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
    #[link(wasm_import_module = "flowgate:plugin/files@0.1.0")]
    unsafe extern "C" {
        #[link_name = "read"]
        fn read(name: *const u8, name_len: usize, offset: u64, length: u32, result: *mut Read);
    }
    #[repr(C)]
    struct Read {
        failed: u8,
        payload: BytesOrError,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct RawBytes {
        start: *mut u8,
        len: usize,
    }
    #[repr(C)]
    union BytesOrError {
        bytes: RawBytes,
        error: std::mem::ManuallyDrop<RawFileError>,
    }
    let mut result =
        Read { failed: 0, payload: BytesOrError { bytes: RawBytes { start: std::ptr::null_mut(), len: 0 } } };
    // SAFETY: the layout is that of `result<list<u8>, file-error>`; `failed` says which part of the union is valid. The list is
    // in memory that the host got from `cabi_realloc`.
    unsafe {
        read(name.as_ptr(), name.len(), offset, length, &mut result);
        if result.failed != 0 {
            return Err(result.payload.error.take());
        }
        let RawBytes { start, len } = result.payload.bytes;
        Ok(Vec::from_raw_parts(start, len, len))
    }
}
