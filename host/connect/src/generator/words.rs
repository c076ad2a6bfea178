//! Texts of words whose frequencies are those of a natural language.

use std::ops::Range;

use super::column::Random;

/// Words in the vocabulary.
const WORDS: usize = 1_000;
/// Slots of the alias table: a power of two, so that bits select a slot. A slot without a word of its own belongs wholly to
/// another word.
const SLOTS: usize = 1_024;
/// Bytes of a word with a space behind it, padded: a word is copied by one move of fixed size.
pub(super) const CELL: usize = 8;

/// 1,000 made-up words; the word of rank r occurs with a probability proportional to 1/r (Zipf's law). A word is drawn in
/// constant time by an alias table (Walker 1977, built by the method of Vose 1991).
#[derive(Debug)]
pub(super) struct Vocabulary {
    slots: Vec<AliasSlot>,
    words: Vec<Word>,
}

#[derive(Debug, Clone, Copy)]
struct AliasSlot {
    /// Draws whose upper 32 bits are below this are the slot's own word.
    own_below: u64,
    own: u16,
    other: u16,
}

#[derive(Debug, Clone, Copy)]
struct Word {
    /// The letters, then a space, then arbitrary bytes.
    cell: [u8; CELL],
    /// The number of letters and the space.
    len: usize,
}

impl Vocabulary {
    pub(super) fn new() -> Self {
        Vocabulary { slots: alias_table(), words: (0..WORDS).map(word).collect() }
    }

    /// Returns the texts of these rows, `count` words each: their bytes, one after another, and offsets.
    pub(super) fn write(&self, random: Random, rows: Range<u64>, count: u64) -> (Vec<u8>, Vec<i32>) {
        let words = ((rows.end - rows.start) * count) as usize;
        let mut data = vec![0; words * CELL + CELL];
        let mut offsets = Vec::with_capacity((rows.end - rows.start) as usize + 1);
        offsets.push(0);
        let mut end = 0;
        for row in rows {
            let first = row.wrapping_mul(count);
            for n in 0..count {
                let draw = random.at(first.wrapping_add(n));
                let slot = self.slots[draw as usize % SLOTS];
                let index = if draw >> 32 < slot.own_below { slot.own } else { slot.other };
                let word = self.words[usize::from(index)];
                data[end..end + CELL].copy_from_slice(&word.cell);
                end += word.len;
            }
            // Without the space behind the last word.
            end -= 1;
            offsets.push(end as i32);
        }
        data.truncate(end);
        (data, offsets)
    }
}

/// Returns the word of rank `rank + 1`: one to three syllables of a consonant and a vowel, shorter ones for common words.
fn word(rank: usize) -> Word {
    const CONSONANTS: &[u8; 10] = b"tnsrhldkmp";
    const VOWELS: &[u8; 5] = b"eaoiu";
    // Two syllables number the word; the third, of rare words, follows from these and only makes it longer.
    let syllables: &[usize] = match rank {
        0..50 => &[rank],
        50..500 => &[rank % 50, rank / 50],
        _ => &[rank % 50, rank / 50, (rank * 7 + 3) % 50],
    };
    let mut cell = [b' '; CELL];
    let mut len = 0;
    for syllable in syllables {
        cell[len] = CONSONANTS[syllable % 10];
        cell[len + 1] = VOWELS[syllable / 10];
        len += 2;
    }
    Word { cell, len: len + 1 }
}

fn alias_table() -> Vec<AliasSlot> {
    let total: f64 = (1..=WORDS).map(|rank| 1.0 / rank as f64).sum();
    // The part of a slot that each word fills; the sum is the number of slots.
    let mut fill: Vec<f64> =
        (0..SLOTS).map(|i| if i < WORDS { SLOTS as f64 / (total * (i + 1) as f64) } else { 0.0 }).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..SLOTS).partition(|&i| fill[i] < 1.0);
    let whole = AliasSlot { own_below: 1 << 32, own: 0, other: 0 };
    let mut slots: Vec<AliasSlot> = (0..SLOTS).map(|i| AliasSlot { own: (i % WORDS) as u16, ..whole }).collect();
    while let (Some(less), Some(more)) = (small.pop(), large.last().copied()) {
        slots[less].own_below = (fill[less] * (1u64 << 32) as f64) as u64;
        slots[less].other = more as u16;
        fill[more] -= 1.0 - fill[less];
        if fill[more] < 1.0 {
            large.pop();
            small.push(more);
        }
    }
    slots
}
