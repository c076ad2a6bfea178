//! Lines out of any bytes in any pieces, against a naive model.

use proptest::prelude::*;

use super::{Cursor, DecodeSettings};
use crate::limits;
use crate::reader::{Buffer, DecodingReader, Fill, Input, Place};
use crate::source::SplitReader;
use crate::test_reading::Alarm;
use flowgate_base::error::Result;
use flowgate_base::schema::Schema;

/// Returns bytes in pieces, with waiting between them.
struct Pieces {
    pieces: Vec<Vec<u8>>,
    waited: bool,
    wake: crate::source::Waker,
}

impl Input for Pieces {
    fn fill(&mut self, buffer: &mut Buffer) -> Result<Fill> {
        self.waited = !self.waited;
        if self.waited {
            (self.wake)();
            return Ok(Fill::Wait);
        }
        if self.pieces.is_empty() {
            return Ok(Fill::End);
        }
        let piece = self.pieces.remove(0);
        buffer.space()[..piece.len()].copy_from_slice(&piece);
        buffer.fed(piece.len());
        Ok(Fill::Bytes)
    }
}

/// Row texts by line, and failed lines.
type Lines = (Vec<(u64, String)>, Vec<u64>);

fn decode(pieces: Vec<Vec<u8>>, batch_rows: usize) -> Lines {
    let spec = serde_json::from_str("{}").unwrap();
    let decoder = DecodeSettings::of_stdin(&spec).unwrap().decoder("test");
    let alarm = Alarm::new();
    let input = Pieces { pieces, waited: false, wake: alarm.waker() };
    let mut reader = DecodingReader::new("test".into(), input, decoder, batch_rows);
    let outcome = alarm.to_end(&mut reader, &Schema::default());
    assert_eq!(outcome.error, None);
    (outcome.rows, outcome.failures.iter().map(|f| f.position).collect())
}

fn naive(bytes: &[u8]) -> Lines {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let mut found = Lines::default();
    for (line, number) in lines.into_iter().zip(1..) {
        match std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) {
            Ok(text) => found.0.push((number, serde_json::json!({ "text": text }).to_string())),
            Err(_) => found.1.push(number),
        }
    }
    found
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![
        4 => Just(b'\n'), 2 => Just(b'\r'), 8 => b'a'..=b'c', 1 => Just(0xefu8), 1 => Just(0xbb), 1 => Just(0xbf), 1 => Just(0xc3), 1 => Just(0xa4)
    ];
    proptest::collection::vec(proptest::collection::vec(byte, 1..20), 0..12)
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_split_as_the_naive_way_does(pieces in pieces(), batch_rows in 1usize..9) {
        let whole = pieces.concat();
        prop_assert_eq!(decode(pieces, batch_rows), naive(&whole));
    }
}

#[test]
fn a_byte_order_mark_is_skipped_also_in_pieces() {
    let pieces = [&b"\xef"[..], b"\xbb", b"\xbf", b"a"].map(<[u8]>::to_vec).to_vec();
    assert_eq!(decode(pieces, 10), naive(b"a"));
    assert_eq!(decode(vec![b"\xef\xbb".to_vec()], 10).1, [1]);
}

/// A line of the maximum length is a row, a longer one a failure; the next line is read in both cases.
#[test]
fn lines_around_the_limit() {
    for (extra, end, fails) in
        [(0, "\n", false), (0, "\r\n", false), (1, "\n", true), (900_000, "\r\n", true), (1, "", true)]
    {
        let mut text = "x".repeat(limits::LINE_BYTES_MAX + extra) + end;
        let next = if end.is_empty() { "" } else { "next\n" };
        text += next;
        let pieces = text.as_bytes().chunks(100_000).map(<[u8]>::to_vec).collect();
        let (rows, failures) = decode(pieces, 10);
        assert_eq!(failures, if fails { vec![1] } else { vec![] }, "{extra} {end:?}");
        assert_eq!(rows.len(), usize::from(!fails) + usize::from(!next.is_empty()), "{extra} {end:?}");
        assert_eq!(rows.last().map(|r| r.0), (!next.is_empty()).then_some(2), "{extra} {end:?}");
    }
}

/// Rows before an error are returned first; then the error, at every further poll.
#[test]
fn an_error_waits_for_the_rows_before_it() {
    struct Breaks(u32);
    impl Input for Breaks {
        fn fill(&mut self, buffer: &mut Buffer) -> Result<Fill> {
            self.0 += 1;
            match self.0 {
                1 => {
                    buffer.space()[..6].copy_from_slice(b"one\ntw");
                    buffer.fed(6);
                    Ok(Fill::Bytes)
                }
                2 => Err(flowgate_base::error::Error::from(crate::error::SourceError::Unreadable("unplugged".into()))),
                _ => Ok(Fill::End),
            }
        }
    }
    let spec = serde_json::from_str("{}").unwrap();
    let decoder = DecodeSettings::of_stdin(&spec).unwrap().decoder("test");
    let mut reader = DecodingReader::new("test".into(), Breaks(0), decoder, 10);
    assert_eq!(Alarm::new().next(&mut reader), [(1, "{\"text\":\"one\"}".into())]);
    for _ in 0..2 {
        assert_eq!(reader.poll().unwrap_err().message, "unplugged");
    }
}

/// A reader whose position is within a line that is too long continues behind that line.
#[test]
fn a_position_within_a_line_that_is_too_long() {
    let long = vec![b'x'; limits::LINE_BYTES_MAX * 3 / 2];
    let whole = [&long[..], b"yyy\nrow\n"].concat();
    let spec = serde_json::from_str("{}").unwrap();
    let settings = DecodeSettings::of_stdin(&spec).unwrap();
    let alarm = Alarm::new();
    let pieces = |bytes: &[u8]| Pieces {
        pieces: bytes.chunks(100_000).map(<[u8]>::to_vec).collect(),
        waited: false,
        wake: alarm.waker(),
    };
    let mut reader = DecodingReader::new("t".into(), pieces(&whole), settings.decoder("t"), 1);
    let _failure = alarm.poll(&mut reader).unwrap();
    let cursor: Cursor = serde_json::from_value(reader.position().0).unwrap();
    assert!(cursor.skipping && cursor.line == 1);
    let rest = &whole[cursor.offset as usize..];
    let place = Place { cursor, ..Place::default() };
    let mut resumed = DecodingReader::at(place, "t".into(), pieces(rest), settings.decoder("t"), 1);
    assert_eq!(alarm.next(&mut resumed), [(2, "{\"text\":\"row\"}".into())]);
    assert_eq!(alarm.next(&mut resumed), []);
}
