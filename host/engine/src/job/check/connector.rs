//! The one connector of a source or a sink, which checks its own settings.

use super::checker::Checker;
use crate::job::problem::{At, Problem};
use crate::job::spec::{Connectors, listed_connectors};
use flowgate_connect::Connector;
use flowgate_connect::entry::Kind;

/// Returns the connector and its configured form; `None` after a problem. `name` is that of the source or sink at `at`.
pub(super) fn check_connector<K: Kind>(
    checker: &mut Checker<'_>,
    connectors: &Connectors,
    name: &str,
    at: &At,
) -> Option<(Connector, K)> {
    let mut all = connectors.iter();
    let (field, settings) = match (all.next(), connectors.len()) {
        (Some(only), 1) => only,
        (None, _) => {
            let message = format!("{} `{name}` has no connector", K::WORD);
            let help = listed_connectors::<K>("and", |entry| format!("`{}: {}`", entry.name, entry.example));
            checker.error(Problem::error(at.clone(), message).on_key().help(format!("one of {help}")));
            return None;
        }
        (Some(_), count) => {
            let all: Vec<String> = connectors.keys().map(|field| format!("`{field}`")).collect();
            let message = format!("{} `{name}` has {count} connectors: {}", K::WORD, all.join(", "));
            let help = format!("a {} has exactly one", K::WORD);
            checker.error(Problem::error(at.clone(), message).on_key().help(help));
            return None;
        }
    };
    let connector = configurable(checker, field, settings);
    match connector.configure() {
        Ok(configured) => Some((connector, configured)),
        Err(wrong) => {
            wrong.into_iter().for_each(|wrong| checker.error(Problem::of_settings(&at.field(field), wrong)));
            None
        }
    }
}

/// Returns a connector of this job.
pub(super) fn configurable(checker: &Checker<'_>, name: &str, settings: &serde_json::Value) -> Connector {
    Connector {
        name: name.into(),
        settings: settings.clone(),
        base: checker.around.base.clone(),
        policy: checker.around.policy.clone(),
    }
}
