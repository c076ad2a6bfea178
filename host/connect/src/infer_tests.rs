//! A source that was inferred from a sample reads the sample.

use indexmap::IndexMap;
use proptest::prelude::*;

use super::decode::{BatchCounter, Cursor, DecodeSettings};
use super::infer::{Inferred, SampleSettings, infer};
use crate::settings::{Format, StdinSource};

/// Reads a sample with the inferred columns; returns the number of rows, and the failures.
fn read(sample: &[u8], inferred: &Inferred) -> (usize, Vec<String>) {
    let columns: IndexMap<String, _> =
        inferred.columns.iter().map(|f| (f.name.clone(), f.type_name().into())).collect();
    let delimiter = char::from(inferred.delimiter).to_string();
    let spec = StdinSource { format: inferred.format, columns, header: true, delimiter, batch_rows: None };
    let spec = if inferred.format == Format::Csv { spec } else { StdinSource { delimiter: ",".into(), ..spec } };
    let mut decoder = DecodeSettings::of_stdin(&spec).unwrap().decoder("sample");
    let (mut cursor, mut batch, mut done) = (Cursor::start(), BatchCounter::new(1_000_000), 0);
    while done < sample.len() {
        let step = decoder.decode(&sample[done..], true, &mut cursor, &mut batch).unwrap();
        done += step;
        cursor.offset += step as u64;
    }
    decoder.take_columns().unwrap();
    let (rows, _, failures) = batch.take();
    (rows, failures.into_iter().map(|f| f.message).collect())
}

/// Texts that are, or nearly are, of some type.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "-?[0-9]{1,20}",
        2 => "-?[0-9]{1,4}\\.[0-9]{1,4}([eE][+-]?[0-9]{1,3})?",
        1 => "true|false|NaN|inf|-inf|nan|Infinity|\\+5|007|-0|1e5|\\.5|5\\.|1_000|0x1f",
        2 => "20[0-9]{2}-0[1-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]0[0-9]:00)",
        1 => "\\PC{0,8}",
        1 => "[a ,;\"\n]{0,5}",
    ]
}

/// Columns whose values are mostly of one type each.
fn columns<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Vec<Vec<Option<T>>>> {
    let few = proptest::collection::vec(proptest::option::weighted(0.8, value), 1..4).boxed();
    (2_usize..5, 1_usize..8).prop_flat_map(move |(columns, rows)| {
        let column = few.clone().prop_flat_map(move |of| proptest::collection::vec(proptest::sample::select(of), rows));
        proptest::collection::vec(column, columns)
    })
}

fn csv_field(value: &Option<String>) -> String {
    match value {
        None => String::new(),
        Some(text) => format!("\"{}\"", text.replace('"', "\"\"")),
    }
}

/// JSON values in any notation.
fn json() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "-?(0|[1-9][0-9]{0,20})",
        2 => "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,4}([eE][+-]?[0-9]{1,2})?",
        1 => "true|false|-0|1e400|\\[1, 2\\]|\\{\"a\": null\\}",
        3 => text().prop_map(|text| serde_json::Value::from(text).to_string()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Goal: a source with the inferred columns reads every row of the sample. Method: columns of values that are, or nearly are,
    /// of a type, with gaps, as CSV; the inferred columns decode them all.
    #[test]
    fn inferred_columns_read_csv(columns in columns(text()), quoted in any::<bool>()) {
        let field = |value: &Option<String>| match value {
            Some(text) if !quoted && !text.is_empty() && !text.contains([',', '"', '\n', '\r']) => text.clone(),
            other => csv_field(other),
        };
        let rows = columns[0].len();
        let mut sample: String = (0..columns.len()).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",") + "\n";
        for row in 0..rows {
            sample += &columns.iter().map(|column| field(&column[row])).collect::<Vec<_>>().join(",");
            sample += "\n";
        }
        let settings = SampleSettings { format: Some(Format::Csv), delimiter: Some(b','), no_header: false };
        let inferred = infer(sample.as_bytes(), &settings).unwrap();
        prop_assert_eq!((inferred.rows, inferred.failures), (rows as u64, 0), "{}", sample);
        prop_assert_eq!(read(sample.as_bytes(), &inferred), (rows, vec![]), "{}\n{:?}", sample, inferred.columns);
    }

    /// Goal: the same for JSON lines, where values may be missing, null, or of several types.
    #[test]
    fn inferred_columns_read_json(columns in columns(proptest::option::weighted(0.9, json()))) {
        let rows = columns[0].len();
        let mut sample = String::new();
        for row in 0..rows {
            let member = |(i, column): (usize, &Vec<Option<Option<String>>>)| {
                column[row].as_ref().map(|value| format!("\"c{i}\":{}", value.as_deref().unwrap_or("null")))
            };
            // One member that every row has, so that there are columns.
            let members: Vec<String> = columns.iter().enumerate().filter_map(member).collect();
            sample += &format!("{{{}}}\n", [vec![format!("\"row\":{row}")], members].concat().join(","));
        }
        let settings = SampleSettings { format: Some(Format::Json), ..SampleSettings::default() };
        let inferred = infer(sample.as_bytes(), &settings).unwrap();
        prop_assert_eq!((inferred.rows, inferred.failures), (rows as u64, 0), "{}", sample);
        prop_assert_eq!(read(sample.as_bytes(), &inferred), (rows, vec![]), "{}\n{:?}", sample, inferred.columns);
    }
}

#[test]
fn format_and_delimiter_follow_from_the_content() {
    let of = |sample: &str| {
        let inferred = infer(sample.as_bytes(), &SampleSettings::default()).unwrap();
        (inferred.format, char::from(inferred.delimiter))
    };
    assert_eq!(of("a,b\n1,2\n"), (Format::Csv, ','));
    assert_eq!(of("\u{feff}a;b;c,d\n1;2;3\n"), (Format::Csv, ';'));
    assert_eq!(of("a\tb\n"), (Format::Csv, '\t'));
    assert_eq!(of("\n {\"a\":1}\n").0, Format::Json);
    assert_eq!(of("Jan 1, 2026 something\nelse\n").0, Format::Text);
    assert_eq!(of("").0, Format::Text);
}

#[test]
fn what_cannot_be_a_column_is_left_out() {
    let csv = |text: &str| infer(text.as_bytes(), &SampleSettings::default()).unwrap();
    let names = |inferred: &Inferred| inferred.columns.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    let inferred = csv("a,,a,b\n1,2,3,4\n");
    assert_eq!(names(&inferred), ["b"]);
    assert_eq!(inferred.left_out.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(), ["a", ""]);
    let wide: String = (0..1_500).map(|i| format!("{{\"k{i}\":1}}\n")).collect();
    let inferred = csv(&wide);
    assert_eq!((inferred.columns.len(), inferred.left_out.len(), inferred.rows), (1_000, 1, 1_500));
    assert!(infer(b"", &SampleSettings { format: Some(Format::Csv), ..SampleSettings::default() }).is_err());
}
