//! A strict parser of the text format, for tests: it refuses what a lenient scraper would take.

use std::collections::{BTreeMap, BTreeSet};

/// A sample: its name, its labels in their order, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
}

/// A page that is well-formed.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The type of each metric.
    pub(super) kinds: BTreeMap<String, String>,
    pub(super) samples: Vec<Sample>,
}

impl Parsed {
    /// Returns the samples of a name.
    pub(super) fn of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Sample> + use<'a> {
        let name = name.to_string();
        self.samples.iter().filter(move |sample| sample.name == name)
    }
}

impl Sample {
    /// Returns the value of a label.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value)
    }
}

/// Parses a page. Metrics are in one piece each, with a help and a type before the first sample; no series is there twice; the buckets of a
/// histogram do not go down and end with the count.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".into());
    }
    let mut parsed = Parsed::default();
    let (mut current, mut help, mut seen) = (None::<String>, None, BTreeSet::new());
    for (at, line) in text.lines().enumerate() {
        let wrong = |what: &str| format!("line {}: {what}: {line}", at + 1);
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest.split_once(' ').ok_or_else(|| wrong("no help"))?.0.to_string());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            let known = ["counter", "gauge", "histogram"].contains(&kind);
            if help.take().as_deref() != Some(name) || !known || !is_name(name) {
                return Err(wrong("a type without its help, or of no known kind"));
            }
            if parsed.kinds.insert(name.into(), kind.into()).is_some() {
                return Err(wrong("a metric in two pieces"));
            }
            current = Some(name.to_string());
        } else {
            let sample = sample(line).map_err(|what| wrong(&what))?;
            let name = current.as_deref().ok_or_else(|| wrong("a sample without a type"))?;
            let is_histogram = parsed.kinds[name] == "histogram";
            let suffix = sample.name.strip_prefix(name).ok_or_else(|| wrong("a sample of another metric"))?;
            let fits = if is_histogram { ["_bucket", "_sum", "_count"].contains(&suffix) } else { suffix.is_empty() };
            if !fits || (parsed.kinds[name] == "counter" && !name.ends_with("_total")) {
                return Err(wrong("a name that does not fit its type"));
            }
            if !seen.insert((sample.name.clone(), sample.labels.clone())) {
                return Err(wrong("a series that is there twice"));
            }
            parsed.samples.push(sample);
        }
    }
    histograms(&parsed).map(|()| parsed)
}

fn histograms(parsed: &Parsed) -> Result<(), String> {
    for (name, _) in parsed.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
        let mut by_labels: BTreeMap<Vec<(String, String)>, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in parsed.of(&format!("{name}_bucket")) {
            let bound = number(sample.label("le")).ok_or("a bucket without its bound")?;
            let labels = sample.labels.iter().filter(|(label, _)| label != "le").cloned().collect();
            by_labels.entry(labels).or_default().push((bound, sample.value));
        }
        for (labels, buckets) in by_labels {
            let rises = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            let count = parsed.of(&format!("{name}_count")).find(|sample| sample.labels == labels);
            let last = buckets.last().filter(|(bound, _)| *bound == f64::INFINITY);
            if !rises || count.map(|sample| sample.value) != last.map(|(_, count)| *count) || count.is_none() {
                return Err(format!("{name}{labels:?}: {buckets:?}"));
            }
            parsed
                .of(&format!("{name}_sum"))
                .find(|sample| sample.labels == labels)
                .ok_or("a histogram without sum")?;
        }
    }
    Ok(())
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            let (label, behind) = inner.split_once("=\"").ok_or("no label")?;
            if !is_name(label) || label.contains(':') || labels.iter().any(|(other, _)| other == label) {
                return Err(format!("label `{label}`"));
            }
            let (value, behind) = quoted(behind)?;
            labels.push((label.to_string(), value));
            match behind.strip_prefix(',') {
                Some(more) => inner = more,
                None => {
                    rest = behind.strip_prefix('}').ok_or("labels without an end")?;
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').and_then(number).ok_or("no number")?;
    if !is_name(name) {
        return Err(format!("name `{name}`"));
    }
    Ok(Sample { name: name.into(), labels, value })
}

/// Reads up to the closing quote.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut characters) = (String::new(), text.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('\\' | '"'))) => escaped,
                other => return Err(format!("escape {other:?}")),
            }),
            character => value.push(character),
        }
    }
    Err("a value without an end".into())
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        text => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

#[test]
fn it_refuses_what_is_not_well_formed() {
    let head = "# HELP a_total x\n# TYPE a_total counter\n";
    assert_eq!(parse(&format!("{head}a_total{{b=\"c\\\\\\\"\\nd\"}} 1\n")).unwrap().samples[0].label("b"), "c\\\"\nd");
    for wrong in [
        "a_total 1\n",
        &format!("{head}a_total 1"),
        &format!("{head}a_total one\n"),
        &format!("{head}a_total 1\na_total 2\n"),
        &format!("{head}a_total{{b=\"c\"d\"}} 1\n"),
        &format!("{head}a_total{{b=\"\\x\"}} 1\n"),
        &format!("{head}a_total{{b=\"c\",b=\"d\"}} 1\n"),
        &format!("{head}b 1\n"),
        "# HELP a x\n# TYPE a counter\na 1\n",
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
