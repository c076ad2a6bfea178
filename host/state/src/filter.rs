//! A filter against look-ups of absent keys: "no" is certain, "perhaps" may be wrong.
//!
//! Blocked Bloom filters: the bits of one key lie in 64 bytes, so that a look-up reads one line of the cache (Putze, Sanders,
//! Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", WEA 2007). When one is full, another of twice the size is added, as
//! in scalable Bloom filters (Almeida, Baquero, Preguiça, Hutchison, Information Processing Letters 101, 2007): a filter of few
//! keys is small, and one of many keys has few layers.

/// Keys of the first layers; each further one has twice as many as the one before it.
const FIRST_KEYS: [usize; 3] = [512, 8 << 10, 16 << 10];

/// Keys per block of 512 bits: 12 bits per key, which accepts about one in a hundred absent keys.
const KEYS_PER_BLOCK: usize = 42;

/// Bits that are set for a key.
const BITS: u32 = 6;

type Block = [u64; 8];

/// Hashes of keys that may be present.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    blocks: Vec<Block>,
    room: usize,
}

/// The block of a hash, by its upper half, and a number whose pieces of 9 bits say which bits: Fibonacci hashing, a multiplication by
/// 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4).
fn place(hash: u64, blocks: usize) -> (usize, u64) {
    let block = ((hash >> 32) * blocks as u64) >> 32;
    (block as usize, hash.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn bits(pieces: u64) -> impl Iterator<Item = (usize, u64)> {
    (0..BITS).map(move |i| {
        let bit = pieces >> (i * 9 + 10) & 511;
        ((bit >> 6) as usize, 1 << (bit & 63))
    })
}

impl Filter {
    /// Adds a hash.
    pub(crate) fn insert(&mut self, hash: u64) {
        if self.layers.last().is_none_or(|layer| layer.room == 0) {
            let at = self.layers.len();
            let keys = FIRST_KEYS.get(at).copied().unwrap_or_else(|| FIRST_KEYS[2] << (at - 2));
            self.layers.push(Layer { blocks: vec![[0; 8]; keys / KEYS_PER_BLOCK + 1], room: keys });
        }
        let layer = self.layers.last_mut().expect("a layer was added");
        layer.room -= 1;
        let (block, pieces) = place(hash, layer.blocks.len());
        bits(pieces).for_each(|(word, bit)| layer.blocks[block][word] |= bit);
    }

    /// Whether the hash may have been added.
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        self.layers.iter().any(|layer| {
            let (block, pieces) = place(hash, layer.blocks.len());
            bits(pieces).all(|(word, bit)| layer.blocks[block][word] & bit != 0)
        })
    }

    /// Memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.blocks.len() * size_of::<Block>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    /// Goal: never a wrong "no", few wrong "perhaps", also over several layers.
    #[test]
    fn what_was_added_may_be_there_and_most_else_is_not() {
        let mut filter = Filter::default();
        let hash = |n: u64| xxh3_64(&n.to_le_bytes());
        (0..200_000).for_each(|n| filter.insert(hash(n)));
        assert!((0..200_000).all(|n| filter.may_have(hash(n))));
        let wrong = (200_000..300_000).filter(|n| filter.may_have(hash(*n))).count();
        assert!(wrong < 5_000, "{wrong} of 100,000");
    }
}
