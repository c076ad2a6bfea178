//! Values of state as bytes.

use crate::timestamp::Timestamp;

/// A type that a slot of state can hold. State outlives the plugin's version that wrote it, so the bytes are fixed:
///
/// | type | bytes |
/// |---|---|
/// | `u8` to `u128`, `i8` to `i128` | little-endian, in the size of the type |
/// | `f32`, `f64` | the IEEE 754 bits, little-endian |
/// | `bool` | one: 0 or 1 |
/// | `Timestamp` | as `i64`: milliseconds since 1970 |
/// | `String` | `u32` number of bytes, then the UTF-8 |
/// | `Vec<T>` | `u32` number of elements, then each |
/// | `Option<T>` | 0, or 1 and the value |
/// | tuples, arrays, structs with `#[derive(StateValue)]` | the parts in their order, nothing in between |
///
/// If a type changes, its slot needs the next version (`#[state(version = 2)]`).
///
/// ```
/// use flowgate_sdk::StateValue;
///
/// #[derive(StateValue, Debug, PartialEq)]
/// struct Last { celsius: f64, sensor: String }
///
/// let mut bytes = Vec::new();
/// Last { celsius: 1.0, sensor: "a".into() }.encode(&mut bytes);
/// assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 1, 0, 0, 0, b'a']);
/// assert_eq!(Last::decode(&mut &bytes[..]), Some(Last { celsius: 1.0, sensor: "a".into() }));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a value of state",
    label = "no value of state",
    note = "values are numbers, `bool`, `String`, `Timestamp`, `Vec`, `Option`, tuples and arrays of these, and structs with \
            `#[derive(flowgate_sdk::StateValue)]`"
)]
pub trait StateValue: Sized {
    /// Appends the bytes.
    fn encode(&self, bytes: &mut Vec<u8>);

    /// Reads the value at the front of the bytes and advances behind it; `None` where they do not begin with one.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;

    /// Appends the bytes of several values, one after another.
    fn encode_all(values: &[Self], bytes: &mut Vec<u8>) {
        values.iter().for_each(|value| value.encode(bytes));
    }

    /// Reads `count` values at the front of the bytes and advances behind them.
    fn decode_all(count: usize, bytes: &mut &[u8]) -> Option<Vec<Self>> {
        // A wrong count must not reserve memory.
        let mut values = Vec::with_capacity(count.min(bytes.len()));
        for _ in 0..count {
            values.push(Self::decode(bytes)?);
        }
        Some(values)
    }
}

/// Returns the value whose encoding is all of `bytes`.
pub(crate) fn decode_whole<T: StateValue>(mut bytes: &[u8]) -> Option<T> {
    let value = T::decode(&mut bytes)?;
    bytes.is_empty().then_some(value)
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl StateValue for $type {
            #[inline(always)]
            fn encode(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                let (number, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(<$type>::from_le_bytes(*number))
            }
        }
    )*};
}

numbers!(u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);

impl StateValue for u8 {
    #[inline(always)]
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(*self);
    }

    #[inline(always)]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(*byte)
    }

    fn encode_all(values: &[u8], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(values);
    }

    fn decode_all(count: usize, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let (values, rest) = bytes.split_at_checked(count)?;
        *bytes = rest;
        Some(values.to_vec())
    }
}

impl StateValue for bool {
    #[inline(always)]
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push((*self).into());
    }

    #[inline(always)]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl StateValue for Timestamp {
    #[inline(always)]
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.as_millis().encode(bytes);
    }

    #[inline(always)]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        i64::decode(bytes).map(Timestamp::from_millis)
    }
}

fn encode_count(count: usize, bytes: &mut Vec<u8>) {
    // The memory of a plugin ends at 4 GiB.
    u32::try_from(count).expect("a value of state is under 4 GiB").encode(bytes);
}

impl StateValue for String {
    fn encode(&self, bytes: &mut Vec<u8>) {
        encode_count(self.len(), bytes);
        bytes.extend_from_slice(self.as_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let len = u32::decode(bytes)?;
        String::from_utf8(u8::decode_all(len as usize, bytes)?).ok()
    }
}

impl<T: StateValue> StateValue for Vec<T> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        encode_count(self.len(), bytes);
        T::encode_all(self, bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let count = u32::decode(bytes)?;
        T::decode_all(count as usize, bytes)
    }
}

impl<T: StateValue> StateValue for Option<T> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.is_some().encode(bytes);
        if let Some(value) = self {
            value.encode(bytes);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        if bool::decode(bytes)? { T::decode(bytes).map(Some) } else { Some(None) }
    }
}

impl<T: StateValue, const N: usize> StateValue for [T; N] {
    fn encode(&self, bytes: &mut Vec<u8>) {
        T::encode_all(self, bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        T::decode_all(N, bytes)?.try_into().ok()
    }
}

macro_rules! tuples {
    ($($part:ident $index:tt),*) => {
        impl<$($part: StateValue),*> StateValue for ($($part,)*) {
            #[inline]
            fn encode(&self, bytes: &mut Vec<u8>) {
                let _ = &bytes;
                $(self.$index.encode(bytes);)*
            }
            #[inline]
            // For the tuple without parts.
            #[allow(clippy::unused_unit)]
            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                let _ = &bytes;
                Some(($($part::decode(bytes)?,)*))
            }
        }
    };
}

tuples!();
tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Everything = (u8, i128, Option<bool>, String, Vec<Vec<u8>>, ([u16; 2], (f64,), Option<Vec<String>>));

    #[test]
    fn the_bytes_are_those_of_the_table() {
        fn bytes<T: StateValue>(value: T) -> Vec<u8> {
            let mut bytes = Vec::new();
            value.encode(&mut bytes);
            bytes
        }
        assert_eq!(bytes(0x0102_u16), [2, 1]);
        assert_eq!(bytes(-2i32), [254, 255, 255, 255]);
        assert_eq!(bytes((true, Timestamp::from_millis(1))), [1, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes("né".to_owned()), [3, 0, 0, 0, b'n', 0xc3, 0xa9]);
        assert_eq!(bytes(vec![1u16, 2]), [2, 0, 0, 0, 1, 0, 2, 0]);
        assert_eq!(bytes((None::<u8>, Some(7u8))), [0, 1, 7]);
        assert!(bytes(()).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_shorter(value: Everything) {
            prop_assume!(!value.5.1.0.is_nan());
            let mut bytes = Vec::new();
            value.encode(&mut bytes);
            for len in 0..bytes.len() {
                prop_assert_eq!(decode_whole::<Everything>(&bytes[..len]), None);
            }
            prop_assert_eq!(decode_whole::<Everything>(&bytes), Some(value));
            bytes.push(0);
            prop_assert_eq!(decode_whole::<Everything>(&bytes), None);
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = decode_whole::<Everything>(&bytes);
            let _ = decode_whole::<Vec<Vec<String>>>(&bytes);
        }
    }
}
