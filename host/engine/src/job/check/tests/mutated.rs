//! Goal: no job, however wrong, makes the check panic. Method: a good job with parts of it replaced by any JSON.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::graph::WEBLOG;
use crate::job::check::check;
use crate::job::fake::FakePlugins;
use crate::job::load::{Document, Language, load};

fn good() -> Value {
    let document = Document { name: "job".into(), text: WEBLOG.into(), language: Language::Yaml, base: "/job".into() };
    serde_json::to_value(load(document, &[], &|_| None).job.unwrap()).unwrap()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "lines",
            "requests",
            "per_page",
            "per_page.late",
            "text",
            "0s",
            "10s",
            "-1s",
            "count()",
            "sum(",
            "sum(path)",
            "plugin:stats/quantile(a)",
            "weblog",
            "time",
            "window_start",
            "${NO}",
            "${P:-3}",
            "",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = prop_oneof![
            "[a-z_]{1,6}",
            prop::sample::select(vec!["input", "plugin", "function", "window", "tumbling", "every", "key", "columns"])
                .prop_map(String::from),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|e| Value::Object(e.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Returns every place in a value, as a JSON pointer.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_string());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(k, v)| pointers(v, &format!("{at}/{k}"), out)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), out)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_job_is_checked_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 1..4),
    ) {
        let mut job = good();
        for (place, with) in changes {
            let mut all = Vec::new();
            pointers(&job, "", &mut all);
            let place: &String = place.get(&all);
            *job.pointer_mut(place).unwrap() = with;
        }
        let document = Document {
            name: "job.json".into(),
            text: serde_json::to_string(&job).unwrap(),
            language: Language::Json,
            base: "/job".into(),
        };
        let loaded = load(document, &[], &|_| None);
        let mut plugins = FakePlugins::new();
        let mut around = plugins.around();
        around.broken = loaded.broken.clone();
        let further = match loaded.job.as_ref().map(|job| check(job, &around, &mut plugins)) {
            Some(Err(problems)) => problems,
            Some(Ok(_)) => Vec::new(),
            None => Vec::new(),
        };
        let report = loaded.report(&further, true);
        prop_assert!(loaded.job.is_some() || !report.is_empty());
    }
}
