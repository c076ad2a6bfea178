//! Keys of map entries as bytes that sort as the keys do.

use crate::timestamp::Timestamp;

/// A type that can be the key of a [`Map`](crate::Map) entry. The host keeps entries in the order of their bytes, so the bytes
/// sort as the keys do:
///
/// | type | bytes |
/// |---|---|
/// | `u8` to `u128` | big-endian, in the size of the type |
/// | `i8` to `i128` | the same, with the first bit flipped |
/// | `bool` | one: 0 or 1 |
/// | `Timestamp` | as `i64`: milliseconds since 1970 |
/// | `String`, `Vec<u8>` | the bytes, each 0 followed by 1, then 0, 0 |
/// | `Option<K>` | 0, or 1 and the key |
/// | tuples | the parts in their order, nothing in between |
///
/// Your own implementations must sort as `Ord` does, and `decode_key` must find the end of a key without a length.
///
/// ```
/// use flowgate_sdk::StateKey;
///
/// let mut bytes = Vec::new();
/// ("a".to_string(), -1i16).encode_key(&mut bytes);
/// assert_eq!(bytes, [b'a', 0, 0, 0x7f, 0xff]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of an entry",
    label = "no key of an entry",
    note = "keys are integers, `bool`, `String`, `Vec<u8>`, `Timestamp`, `Option` and tuples of these"
)]
pub trait StateKey: Ord + Clone {
    /// Appends the bytes.
    fn encode_key(&self, bytes: &mut Vec<u8>);
    /// Reads the key at the front of the bytes and advances behind it; `None` where they do not begin with one.
    fn decode_key(bytes: &mut &[u8]) -> Option<Self>;
}

/// Returns the key whose encoding is all of `bytes`.
pub(crate) fn decode_whole<K: StateKey>(mut bytes: &[u8]) -> Option<K> {
    let key = K::decode_key(&mut bytes)?;
    bytes.is_empty().then_some(key)
}

macro_rules! integers {
    ($($type:ty: $flip:expr),*) => {$(
        impl StateKey for $type {
            #[inline(always)]
            fn encode_key(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&(*self ^ $flip).to_be_bytes());
            }
            #[inline(always)]
            fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
                let (number, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(<$type>::from_be_bytes(*number) ^ $flip)
            }
        }
    )*};
}

integers!(u8: 0, u16: 0, u32: 0, u64: 0, u128: 0, i8: i8::MIN, i16: i16::MIN, i32: i32::MIN, i64: i64::MIN, i128: i128::MIN);

impl StateKey for bool {
    fn encode_key(&self, bytes: &mut Vec<u8>) {
        bytes.push((*self).into());
    }

    fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode_key(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl StateKey for Timestamp {
    #[inline(always)]
    fn encode_key(&self, bytes: &mut Vec<u8>) {
        self.as_millis().encode_key(bytes);
    }

    #[inline(always)]
    fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
        i64::decode_key(bytes).map(Timestamp::from_millis)
    }
}

impl StateKey for Vec<u8> {
    fn encode_key(&self, bytes: &mut Vec<u8>) {
        encode_bytes(self, bytes);
    }

    fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
        let mut key = Vec::new();
        loop {
            let zero = bytes.iter().position(|byte| *byte == 0)?;
            key.extend_from_slice(&bytes[..zero]);
            let after = *bytes.get(zero + 1)?;
            *bytes = &bytes[zero + 2..];
            match after {
                0 => return Some(key),
                1 => key.push(0),
                _ => return None,
            }
        }
    }
}

impl StateKey for String {
    fn encode_key(&self, bytes: &mut Vec<u8>) {
        encode_bytes(self.as_bytes(), bytes);
    }

    fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
        String::from_utf8(Vec::decode_key(bytes)?).ok()
    }
}

fn encode_bytes(key: &[u8], bytes: &mut Vec<u8>) {
    for (index, part) in key.split(|byte| *byte == 0).enumerate() {
        if index > 0 {
            bytes.extend_from_slice(&[0, 1]);
        }
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(&[0, 0]);
}

impl<K: StateKey> StateKey for Option<K> {
    fn encode_key(&self, bytes: &mut Vec<u8>) {
        self.is_some().encode_key(bytes);
        if let Some(key) = self {
            key.encode_key(bytes);
        }
    }

    fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
        if bool::decode_key(bytes)? { K::decode_key(bytes).map(Some) } else { Some(None) }
    }
}

macro_rules! tuples {
    ($($part:ident $index:tt),+) => {
        impl<$($part: StateKey),+> StateKey for ($($part,)+) {
            fn encode_key(&self, bytes: &mut Vec<u8>) {
                $(self.$index.encode_key(bytes);)+
            }
            fn decode_key(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::decode_key(bytes)?,)+))
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Everything = (i16, (String, Vec<u8>), Option<u32>, (bool, i128));

    fn bytes<K: StateKey>(key: &K) -> Vec<u8> {
        let mut bytes = Vec::new();
        key.encode_key(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn bytes_sort_as_keys_do(left: Everything, right: Everything, same in 0usize..4) {
            // Random keys rarely have equal beginnings: make some.
            let mut right = right;
            if same > 0 { right.0 = left.0; }
            if same > 1 { right.1.0 = left.1.0.clone(); }
            if same > 2 { right.1.1 = left.1.1.iter().copied().chain([0]).collect(); }
            prop_assert_eq!(bytes(&left).cmp(&bytes(&right)), left.cmp(&right));
            prop_assert_eq!(decode_whole::<Everything>(&bytes(&left)), Some(left));
        }

        #[test]
        fn zeros_within_bytes(left in prop::collection::vec(0u8..3, 0..5), right in prop::collection::vec(0u8..3, 0..5)) {
            prop_assert_eq!(bytes(&left).cmp(&bytes(&right)), left.cmp(&right));
            prop_assert_eq!(decode_whole::<Vec<u8>>(&bytes(&left)), Some(left));
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = decode_whole::<Everything>(&bytes);
        }
    }
}
