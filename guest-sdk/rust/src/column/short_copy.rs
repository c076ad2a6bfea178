//! Appends short byte strings. A copy of a length that is not known at compile time is a call out of the sandbox's code; for a
//! word or a name, the call costs more than the copy itself.

/// Copies of up to this length are two loads and two stores that may overlap.
const SHORT: usize = 16;

/// Appends `piece` to `data`.
#[inline(always)]
pub(crate) fn append(data: &mut Vec<u8>, piece: &[u8]) {
    let len = piece.len();
    if len > SHORT {
        data.extend_from_slice(piece);
        return;
    }
    if data.capacity() - data.len() < SHORT {
        data.reserve(SHORT);
    }
    // SAFETY: `data` has room for 16 bytes behind its length, of which the first `len` are written. All reads are within
    // `piece`: each is of `n <= len` bytes, from its beginning or up to its end. The two do not overlap: `data` is borrowed
    // mutably.
    unsafe {
        let from = piece.as_ptr();
        let to = data.as_mut_ptr().add(data.len());
        if len >= 8 {
            copy::<u64>(from, to, 0);
            copy::<u64>(from, to, len - 8);
        } else if len >= 4 {
            copy::<u32>(from, to, 0);
            copy::<u32>(from, to, len - 4);
        } else if len >= 2 {
            copy::<u16>(from, to, 0);
            copy::<u16>(from, to, len - 2);
        } else if len == 1 {
            copy::<u8>(from, to, 0);
        }
        data.set_len(data.len() + len);
    }
}

/// Copies one `T` at an offset.
///
/// # Safety
/// `size_of::<T>()` bytes at `offset` can be read at `from` and written at `to`.
#[inline(always)]
unsafe fn copy<T: Copy>(from: *const u8, to: *mut u8, offset: usize) {
    // SAFETY: as the caller says; unaligned on both sides.
    unsafe { to.add(offset).cast::<T>().write_unaligned(from.add(offset).cast::<T>().read_unaligned()) };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_stand_one_after_another(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..24), 0..20)) {
            let mut data = Vec::new();
            pieces.iter().for_each(|piece| super::append(&mut data, piece));
            prop_assert_eq!(data, pieces.concat());
        }
    }
}
