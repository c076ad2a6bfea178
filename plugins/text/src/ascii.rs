//! Words of texts that are entirely ASCII, eight bytes at a time: most texts are, and a step for each byte is the main cost.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Returns the high bit of each byte that is at least `least`. All bytes are ASCII.
#[inline(always)]
fn at_least(bytes: u64, least: u8) -> u64 {
    (bytes + (0x80 - least as u64) * ONES) & HIGH
}

/// Returns the high bit of each byte that is a letter or a digit. All bytes are ASCII.
#[inline(always)]
fn alphanumeric(bytes: u64) -> u64 {
    let lower = bytes | (0x20 * ONES);
    let letter = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
    let digit = at_least(bytes, b'0') & !at_least(bytes, b'9' + 1);
    // A byte under 0x20 does not become a letter by the bit that makes letters lower case: those are 0x41 and up.
    letter & at_least(bytes, b'A') | digit
}

/// Calls `word` with the beginning and the end of each word of an ASCII text, in order.
#[inline(always)]
pub(crate) fn words(text: &[u8], mut word: impl FnMut(usize, usize)) {
    let mut start = None;
    let mut block = |at: usize, bytes: u64| {
        let inside = alphanumeric(bytes);
        // The bytes that differ from the one before them in being part of a word.
        let before = inside << 8 | if start.is_some() { 0x80 } else { 0 };
        let mut changes = inside ^ before;
        while changes != 0 {
            let place = at + changes.trailing_zeros() as usize / 8;
            match start.take() {
                None => start = Some(place),
                Some(start) => word(start, place),
            }
            changes &= changes - 1;
        }
    };
    let (blocks, rest) = text.as_chunks::<8>();
    for (i, bytes) in blocks.iter().enumerate() {
        block(i * 8, u64::from_le_bytes(*bytes));
    }
    // The bytes behind the end are separators.
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    block(blocks.len() * 8, u64::from_le_bytes(last));
    if let Some(start) = start {
        word(start, text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_ascii_byte_is_classified() {
        for byte in 0..128u8 {
            let expected = if byte.is_ascii_alphanumeric() { HIGH } else { 0 };
            assert_eq!(alphanumeric(u64::from(byte) * ONES), expected, "{byte:#x}");
        }
    }

    proptest! {
        /// Goal: the words are those of a loop over bytes, wherever the blocks of eight begin.
        #[test]
        fn words_are_those_of_a_loop_over_bytes(text in prop::collection::vec(prop_oneof![0u8..128, b'a'..=b'c', Just(b' ')], 0..60)) {
            let mut found = Vec::new();
            words(&text, |start, end| found.push((start, end)));
            let mut expected = Vec::new();
            let mut at = 0;
            while at < text.len() {
                let length = text[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
                if length > 0 { expected.push((at, at + length)); }
                at += length.max(1);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
