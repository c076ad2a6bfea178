//! A text column under construction.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

/// Texts one after another, in total below 2 GiB.
pub(super) struct Texts {
    offsets: Vec<i32>,
    data: String,
}

impl Texts {
    pub(super) fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Texts { offsets, data: String::new() }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.data.push_str(text);
        self.offsets.push(self.data.len() as i32);
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        self.data.shrink_to_fit();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Arc::new(StringArray::new(offsets, Buffer::from_vec(self.data.into_bytes()), None))
    }
}
