//! Numbers of keys against naive models.

use super::*;
use arrow_array::{Array, BooleanArray};
use proptest::prelude::*;
use std::collections::HashMap;

/// Goal: rows are numbered as distinct keys come. Method: rows in two batches, against a map.
fn check(fields: &[Field], columns: Vec<ArrayRef>, model: &[String]) {
    let mut index = KeyIndex::default();
    let (mut numbers, mut all) = (Vec::new(), Vec::new());
    let half = model.len() / 2;
    for (start, length) in [(0, half), (half, model.len() - half)] {
        let part: Vec<ArrayRef> = columns.iter().map(|c| c.slice(start, length)).collect();
        let keys = Keys::of(&part, length).unwrap();
        index.rows_of(&keys, &mut numbers);
        all.extend_from_slice(&numbers);
    }
    let mut seen: HashMap<&String, u32> = HashMap::new();
    for (row, key) in model.iter().enumerate() {
        let next = seen.len() as u32;
        assert_eq!(all[row], *seen.entry(key).or_insert(next), "row {row}: {key}");
    }
    // The key columns of the index are those of the batch where a key came first.
    let firsts: Vec<u32> = (0..seen.len() as u32).map(|g| all.iter().position(|a| *a == g).unwrap() as u32).collect();
    let out = index.columns(fields).unwrap();
    for (column, got) in columns.iter().zip(out) {
        let want = arrow_select::take::take(column, &arrow_array::UInt32Array::from(firsts.clone()), None).unwrap();
        assert_eq!(&got, &want);
    }
}

proptest! {
    #[test]
    fn text_keys(rows in prop::collection::vec(prop::option::of("[ab]{0,2}"), 0..60)) {
        let column: ArrayRef = Arc::new(rows.iter().map(|r| r.as_deref()).collect::<StringArray>());
        let model: Vec<_> = rows.iter().map(|r| format!("{r:?}")).collect();
        check(&[Field::nullable("k", DataType::Text)], vec![column], &model);
    }

    #[test]
    fn int_keys(rows in prop::collection::vec(prop::option::of(-3i64..3), 0..60)) {
        let column: ArrayRef = Arc::new(rows.iter().copied().collect::<Int64Array>());
        let model: Vec<_> = rows.iter().map(|r| format!("{r:?}")).collect();
        check(&[Field::nullable("k", DataType::Int64)], vec![column], &model);
    }

    #[test]
    fn keys_of_two_columns(rows in prop::collection::vec((prop::option::of("[ab]{0,2}"), prop::option::of(any::<bool>())), 0..60)) {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|r| r.0.as_deref()).collect::<StringArray>()),
            Arc::new(rows.iter().map(|r| r.1).collect::<BooleanArray>()),
        ];
        let model: Vec<_> = rows.iter().map(|r| format!("{r:?}")).collect();
        check(&[Field::nullable("k", DataType::Text), Field::nullable("b", DataType::Boolean)], columns, &model);
    }
}

proptest! {
    /// Goal: tags tell short keys apart; whatever the length, equal keys have one row and others have not.
    #[test]
    fn keys_of_any_length(keys in prop::collection::vec(prop::collection::vec(0u8..3, 0..12), 0..60)) {
        let mut index = KeyIndex::default();
        let numbers: Vec<u32> = keys.iter().map(|k| index.get_or_insert(Key::Bytes(k))).collect();
        for (i, a) in keys.iter().enumerate() {
            prop_assert_eq!(index.find(Key::Bytes(a)), Some(numbers[i]));
            for (j, b) in keys.iter().enumerate() {
                prop_assert_eq!(numbers[i] == numbers[j], a == b, "{:?} and {:?}", a, b);
                let together = [&a[..], &b[..]].concat();
                prop_assert_eq!(tag_at(&together, 0, a.len()), tag_of(a));
                prop_assert_eq!(tag_at(&together, a.len(), together.len()), tag_of(b));
                if a.len() <= SHORT || b.len() <= SHORT {
                    prop_assert_eq!(tag_of(a) == tag_of(b), a == b);
                }
            }
        }
    }
}

proptest! {
    /// Goal: keys can be removed: their rows are free for others, and no other key moves. Method: against a map, with
    /// keys that are nothing, short, long, and so large that removed ones are cleared away.
    #[test]
    fn removed_keys_are_gone(steps in prop::collection::vec((0u8..12, any::<bool>()), 0..120), ints: bool) {
        let bytes: Vec<Vec<u8>> = (0..12u8).map(|n| vec![n; [0, 3, 7, 8, 40_000][usize::from(n) % 5]]).collect();
        let key = |n: u8| match (n, ints) {
            (11, _) => Key::Nothing,
            (n, true) => Key::Int(i64::from(n) - 4),
            // There is one key without bytes.
            (n, false) => Key::Bytes(&bytes[usize::from(n)]),
        };
        let same = |n: u8| if !ints && n < 11 && n.is_multiple_of(5) { 0 } else { n };
        let mut index = KeyIndex::default();
        let mut model: HashMap<u8, u32> = HashMap::new();
        let mut most = 0;
        for (n, removes) in steps {
            let n = same(n);
            if removes {
                if let Some(row) = model.remove(&n) {
                    index.remove(row);
                }
            } else {
                let row = index.get_or_insert(key(n));
                let known = *model.entry(n).or_insert(row);
                prop_assert_eq!(row, known);
            }
            most = most.max(model.len());
            prop_assert_eq!((index.len(), index.rows()), (model.len(), most), "a free row is taken before a new one");
            for other in 0..12 {
                prop_assert_eq!(index.find(key(other)), model.get(&same(other)).copied());
            }
            for (n, row) in &model {
                prop_assert_eq!(index.key(*row), key(*n));
            }
        }
    }
}

#[test]
fn keys_whose_hashes_are_equal_have_different_rows() {
    let mut index = KeyIndex::default();
    let (a, b) = (b"a long key".as_slice(), b"another long key".as_slice());
    let tag = tag_of(a);
    assert_eq!(index.find_bytes(a, tag).unwrap_or_else(|| index.insert(Key::Bytes(a), tag)), 0);
    assert_eq!(index.find_bytes(b, tag), None, "the same hash is not the same key");
    assert_eq!(index.insert(Key::Bytes(b), tag), 1);
    assert_eq!((index.find_bytes(a, tag), index.find_bytes(b, tag)), (Some(0), Some(1)));
}

#[test]
fn negative_numbers_are_keys_like_others() {
    let mut index = KeyIndex::default();
    let keys = [-1, i64::MIN, i64::MAX, 0, -1];
    assert_eq!(keys.map(|k| index.get_or_insert(Key::Int(k))), [0, 1, 2, 3, 0]);
}

proptest! {
    /// Goal: a null key stays null, however often and where its row is read. Method: keys of every type with many nulls, and
    /// rows in any order, some of them several times, back as keys, as columns, and as keys of another index.
    #[test]
    fn null_keys_stay_null(
        rows in prop::collection::vec((prop::option::of(-1i64..2), prop::option::of("[a]{0,9}"), prop::option::of(any::<bool>())), 1..20),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let (int, text, truth) = (
            Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()) as ArrayRef,
            Arc::new(rows.iter().map(|r| r.1.as_deref()).collect::<StringArray>()) as ArrayRef,
            Arc::new(rows.iter().map(|r| r.2).collect::<BooleanArray>()) as ArrayRef,
        );
        let time = Arc::new(rows.iter().map(|r| r.0).collect::<TimestampMillisecondArray>()) as ArrayRef;
        let bytes = Arc::new(rows.iter().map(|r| r.1.as_ref().map(String::as_bytes)).collect::<BinaryArray>()) as ArrayRef;
        for (columns, types) in [
            (vec![int.clone()], vec![DataType::Int64]),
            (vec![time], vec![DataType::Timestamp]),
            (vec![text.clone()], vec![DataType::Text]),
            (vec![bytes], vec![DataType::Bytes]),
            (vec![truth], vec![DataType::Boolean]),
            (vec![int, text], vec![DataType::Int64, DataType::Text]),
        ] {
            let fields: Vec<Field> = types.into_iter().map(|of| Field::nullable("k", of)).collect();
            let keys = Keys::of(&columns, rows.len()).unwrap();
            let (mut index, mut numbers) = (KeyIndex::default(), Vec::new());
            index.rows_of(&keys, &mut numbers);
            let picked: Vec<usize> = picks.iter().map(|pick| pick.index(rows.len())).collect();
            let asked: Vec<u32> = picked.iter().map(|row| numbers[*row]).collect();
            let back = index.keys_of(&asked).unwrap();
            for (at, row) in picked.iter().enumerate() {
                prop_assert_eq!(back.get(at), keys.get(*row), "{:?}", &fields);
            }
            let take = arrow_array::UInt32Array::from_iter_values(picked.iter().map(|row| *row as u32));
            let got = index.columns_of(&fields, asked.iter().copied()).unwrap();
            for (got, column) in got.iter().zip(&columns) {
                let want = arrow_select::take::take(column, &take, None).unwrap();
                prop_assert_eq!(got, &want);
            }
            let (mut other, mut theirs) = (KeyIndex::default(), Vec::new());
            other.rows_of(&back, &mut theirs);
            for (at, row) in picked.iter().enumerate() {
                prop_assert_eq!(other.key(theirs[at]), keys.get(*row));
            }
        }
    }
}
