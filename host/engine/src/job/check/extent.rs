//! The kind and the length of windows.

use crate::job::graph::Windows;
use crate::job::problem::{At, Problem};
use crate::job::spec;
use flowgate_base::quantity::{Extent, Millis};

/// The greatest number of windows that one row can be in.
const WINDOWS_PER_ROW_MAX: u64 = 10_000;

/// The greatest length of a window by number, in rows: each key keeps the rows of its open windows.
const ROWS_MAX: u64 = 1_000_000_000;

const FORMS: &str = "`{ tumbling: 10s }`, `{ sliding: 10s, every: 5s }`, `{ session: 30s }` or `{ global: {} }`; \
                     lengths can be numbers of rows, too: `{ tumbling: 100 rows }`";

/// Returns the windows of an operator; `None` after a problem.
pub(super) fn windows(window: &spec::Window, at: &At, problems: &mut Vec<Problem>) -> Option<Windows> {
    let before = problems.len();
    for (field, extent) in [("tumbling", window.tumbling), ("sliding", window.sliding), ("every", window.every)] {
        if matches!(extent, Some(Extent::Time(Millis(..=0)) | Extent::Rows(0))) {
            problems.push(Problem::error(at.field(field), format!("`{field}` must be greater than 0")));
        }
    }
    if window.session.is_some_and(|Millis(ms)| ms <= 0) {
        problems.push(Problem::error(at.field("session"), "`session` must be greater than 0"));
    }
    let kinds = [
        ("tumbling", window.tumbling.is_some()),
        ("sliding", window.sliding.is_some()),
        ("session", window.session.is_some()),
        ("global", window.global.is_some()),
    ];
    let set: Vec<&str> = kinds.iter().filter(|(_, is_set)| *is_set).map(|(field, _)| *field).collect();
    match set[..] {
        [_] => {}
        [] => problems.push(Problem::error(at.clone(), "a window needs a length").on_key().help(FORMS)),
        [one, other, ..] => {
            let message = format!("a window is either `{one}` or `{other}`");
            problems.push(Problem::error(at.clone(), message).on_key());
        }
    }
    if window.every.is_some() && window.sliding.is_none() && set.len() == 1 {
        let message = match set[0] {
            "tumbling" => "`every` belongs to `sliding`; tumbling windows follow one another".to_string(),
            other => format!("`every` belongs to `sliding`, not to `{other}`"),
        };
        problems.push(Problem::error(at.field("every"), message).on_key());
    }
    if problems.len() > before {
        return None;
    }
    match (window.tumbling, window.sliding, window.every, window.session) {
        (Some(size), ..) => lengths(size, size, at, problems),
        (_, Some(size), Some(slide), _) => lengths(size, slide, at, problems),
        (_, Some(size), None, _) => {
            let help = format!("`{{ sliding: {size}, every: ... }}`, or `{{ tumbling: {size} }}` without overlap");
            problems.push(Problem::error(at.clone(), "sliding windows need `every`").on_key().help(help));
            None
        }
        (_, _, _, Some(Millis(gap_ms))) => Some(Windows::Session { gap_ms }),
        _ => Some(Windows::Global),
    }
    .filter(|windows| {
        let by_rows = matches!(windows, Windows::Rows { .. });
        if by_rows && window.time.is_some() {
            let message = "windows by number of rows do not depend on time";
            problems.push(Problem::error(at.field("time"), message).on_key().help("leave it out"));
        }
        !(by_rows && window.time.is_some())
    })
}

fn lengths(size: Extent, slide: Extent, at: &At, problems: &mut Vec<Problem>) -> Option<Windows> {
    let mut wrong = |message: String, help: &str| {
        problems.push(Problem::error(at.field("every"), message).help(help));
        None
    };
    let (long, step) = match (size, slide) {
        (Extent::Time(size), Extent::Time(slide)) => (size.0 as u64, slide.0 as u64),
        (Extent::Rows(size), Extent::Rows(slide)) => (size, slide),
        _ => {
            return wrong(
                format!("`sliding` is {size}, and `every` {slide}"),
                "both are times, or both numbers of rows",
            );
        }
    };
    if step > long {
        return wrong(
            format!("a window every {slide} of only {size} leaves gaps"),
            "`every` must not be longer than `sliding`",
        );
    }
    let windows = (long - 1) / step + 1;
    if windows > WINDOWS_PER_ROW_MAX {
        let message = format!("each row would be in {windows} windows; at most {WINDOWS_PER_ROW_MAX} are possible");
        return wrong(message, "make `every` longer");
    }
    match (size, slide) {
        (Extent::Time(size), Extent::Time(slide)) => Some(Windows::Time { size_ms: size.0, slide_ms: slide.0 }),
        _ if long > ROWS_MAX => wrong(format!("a window has at most {ROWS_MAX} rows"), "make it shorter"),
        _ => Some(Windows::Rows { size: long, slide: step }),
    }
}
