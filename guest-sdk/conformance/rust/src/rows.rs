//! Filter, map, flat-map, rows that fail, side outputs, and a trap.

use flowgate_sdk::{Concat, Failure, Row, SideOutput};

#[derive(Row)]
pub(crate) struct Reading {
    celsius: Option<f64>,
}

/// Which readings are kept.
#[flowgate_sdk::config]
pub(crate) struct Warm {
    /// Colder readings are left out.
    min: f64,
}

/// Keeps readings of at least `min`.
#[flowgate_sdk::transform]
pub(crate) fn warm(reading: Reading, config: &Warm) -> bool {
    reading.celsius.is_some_and(|celsius| celsius >= config.min)
}

#[derive(Row)]
pub(crate) struct Text<'a> {
    text: &'a str,
}

#[derive(Row)]
#[row(passthrough)]
pub(crate) struct Loud<'a> {
    loud: Concat<'a, 2>,
    characters: i64,
}

/// Adds an exclamation mark, and counts characters.
#[flowgate_sdk::transform]
pub(crate) fn shout<'a>(row: Text<'a>) -> Loud<'a> {
    Loud { loud: Concat([row.text, "!"]), characters: row.text.chars().count() as i64 }
}

#[derive(Row)]
#[row(passthrough)]
pub(crate) struct Word<'a> {
    word: &'a str,
    position: i64,
}

/// A row for each word; words are separated by blanks.
#[flowgate_sdk::transform]
pub(crate) fn words<'a>(row: Text<'a>) -> impl Iterator<Item = Word<'a>> {
    let words = row.text.split(' ').filter(|word| !word.is_empty());
    words.enumerate().map(|(position, word)| Word { word, position: position as i64 })
}

#[derive(Row)]
pub(crate) struct Number {
    n: i64,
}

#[derive(Row)]
pub(crate) struct Half {
    n: i64,
    half: f64,
}

/// Halves a number; multiples of three fail.
#[flowgate_sdk::transform]
pub(crate) fn halves(row: Number) -> Result<Half, Failure> {
    if row.n % 3 == 0 {
        return Err(Failure::new(format!("3 divides {}", row.n)));
    }
    Ok(Half { n: row.n, half: row.n as f64 / 2.0 })
}

#[derive(Row)]
pub(crate) struct Odd {
    n: i64,
    next: i64,
}

/// Forwards even numbers; odd ones go to the output `odd`, with the next number.
#[flowgate_sdk::transform]
pub(crate) fn parity(row: Number, odd: &mut SideOutput<Odd>) -> bool {
    let is_even = row.n % 2 == 0;
    if !is_even {
        odd.push(Odd { n: row.n, next: row.n.wrapping_add(1) });
    }
    is_even
}

/// Forwards numbers, and traps at 13.
#[flowgate_sdk::transform]
pub(crate) fn traps(row: Number) -> bool {
    assert!(row.n != 13, "thirteen");
    true
}
