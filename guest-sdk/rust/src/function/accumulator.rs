//! Accumulators as bytes.

use crate::timestamp::Timestamp;

/// What an aggregate keeps of the rows of one group. The host stores it as bytes, at most 65,536 of them.
///
/// Numbers, `bool`, `Option` and tuples of these are accumulators as they are. Others say how they are written:
///
/// ```
/// use flowgate_sdk::Accumulator;
///
/// /// The distinct values of a small set.
/// #[derive(Default)]
/// struct Distinct(std::collections::BTreeSet<i64>);
///
/// impl Accumulator for Distinct {
///     fn encode(&self, bytes: &mut Vec<u8>) {
///         self.0.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
///     }
///
///     fn decode(bytes: &[u8]) -> Option<Self> {
///         let (values, []) = bytes.as_chunks::<8>() else { return None };
///         Some(Distinct(values.iter().map(|value| i64::from_le_bytes(*value)).collect()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no accumulator",
    label = "no accumulator",
    note = "use numbers and tuples of numbers, or implement `flowgate_sdk::Accumulator` to say how it is written as bytes"
)]
pub trait Accumulator: Default {
    /// Appends the bytes.
    fn encode(&self, bytes: &mut Vec<u8>);
    /// Reads what `encode` wrote; `None` where `bytes` are not an encoding. Never called with 0 bytes: they stand for the
    /// default.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// A value that is always written as the same number of bytes.
pub trait Fixed: Copy + Default {
    /// The number of bytes.
    const SIZE: usize;
    /// Appends the bytes.
    fn write(self, bytes: &mut Vec<u8>);
    /// Reads the first `SIZE` bytes. Panics where there are fewer.
    fn read(bytes: &[u8]) -> Self;
}

impl<T: Fixed> Accumulator for T {
    #[inline(always)]
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.write(bytes);
    }

    #[inline(always)]
    fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == T::SIZE).then(|| T::read(bytes))
    }
}

macro_rules! fixed_numbers {
    ($($type:ty),*) => {$(
        impl Fixed for $type {
            const SIZE: usize = size_of::<$type>();
            #[inline(always)]
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$type>()];
                array.copy_from_slice(&bytes[..size_of::<$type>()]);
                <$type>::from_le_bytes(array)
            }
        }
    )*};
}

fixed_numbers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);

impl Fixed for bool {
    const SIZE: usize = 1;
    #[inline(always)]
    fn write(self, bytes: &mut Vec<u8>) {
        bytes.push(self.into());
    }
    #[inline(always)]
    fn read(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}

impl Fixed for Timestamp {
    const SIZE: usize = 8;
    #[inline(always)]
    fn write(self, bytes: &mut Vec<u8>) {
        self.as_millis().write(bytes);
    }
    #[inline(always)]
    fn read(bytes: &[u8]) -> Self {
        Timestamp::from_millis(i64::read(bytes))
    }
}

impl<T: Fixed> Fixed for Option<T> {
    const SIZE: usize = 1 + T::SIZE;
    #[inline(always)]
    fn write(self, bytes: &mut Vec<u8>) {
        self.is_some().write(bytes);
        self.unwrap_or_default().write(bytes);
    }
    #[inline(always)]
    fn read(bytes: &[u8]) -> Self {
        bool::read(bytes).then(|| T::read(&bytes[1..]))
    }
}

macro_rules! fixed_tuples {
    ($($part:ident $index:tt),*) => {
        impl<$($part: Fixed),*> Fixed for ($($part,)*) {
            const SIZE: usize = 0 $(+ $part::SIZE)*;
            #[inline(always)]
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.reserve(Self::SIZE);
                $(self.$index.write(bytes);)*
            }
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                let mut at = 0;
                let parts = ($({
                    let part = $part::read(&bytes[at..]);
                    at += $part::SIZE;
                    part
                },)*);
                debug_assert_eq!(at, Self::SIZE);
                parts
            }
        }
    };
}

fixed_tuples!(A 0);
fixed_tuples!(A 0, B 1);
fixed_tuples!(A 0, B 1, C 2);
fixed_tuples!(A 0, B 1, C 2, D 3);
fixed_tuples!(A 0, B 1, C 2, D 3, E 4);
fixed_tuples!(A 0, B 1, C 2, D 3, E 4, F 5);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(acc: (i64, u8, Option<f32>, bool, (u16, i128))) {
            prop_assume!(!acc.2.is_some_and(f32::is_nan));
            let mut bytes = Vec::new();
            acc.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), <(i64, u8, Option<f32>, bool, (u16, i128)) as Fixed>::SIZE);
            prop_assert_eq!(Accumulator::decode(&bytes), Some(acc));
            prop_assert_eq!(<(i64, u8, Option<f32>, bool, (u16, i128))>::decode(&bytes[1..]), None);
        }
    }
}
