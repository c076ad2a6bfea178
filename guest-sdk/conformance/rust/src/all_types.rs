//! Every column type, with and without values.

use flowgate_sdk::{Concat, Json, Row, Timestamp};

const DAY_MS: i64 = 86_400_000;

#[derive(Row)]
pub(crate) struct Given<'a> {
    b: Option<bool>,
    i: Option<i64>,
    f: Option<f64>,
    t: Option<&'a str>,
    y: Option<&'a [u8]>,
    at: Option<Timestamp>,
    j: Option<Json<'a>>,
}

#[derive(Row)]
pub(crate) struct Made<'a> {
    b: Option<bool>,
    i: Option<i64>,
    f: Option<f64>,
    t: Option<Concat<'a, 3>>,
    y: Option<Vec<u8>>,
    at: Option<Timestamp>,
    j: Option<Json<'a>>,
}

/// Changes a value of every type, and leaves out what is not there: the opposite, the negative, the half, in angle brackets, in reverse, a
/// day later, and JSON as it is.
#[flowgate_sdk::transform]
pub(crate) fn every_type<'a>(row: Given<'a>) -> Made<'a> {
    Made {
        b: row.b.map(|b| !b),
        i: row.i.map(i64::wrapping_neg),
        f: row.f.map(|f| f / 2.0),
        t: row.t.map(|t| Concat(["<", t, ">"])),
        y: row.y.map(|y| y.iter().rev().copied().collect()),
        at: row.at.map(|at| at.plus_millis(DAY_MS)),
        j: row.j,
    }
}
