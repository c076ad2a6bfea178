//! Composes a checkpoint of the words of its participants. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::collect::Words;
use super::facts::JobFacts;
use super::reports::{TimedSplit, Word};
use flowgate_checkpoint::{Checkpoint, OperatorRecord, SplitRecord};

/// By sink: what it takes to commit the rows of checkpoints, with their numbers, until the sink has committed them.
pub(super) type Committables = BTreeMap<String, Vec<(u64, Value)>>;

/// Adds to a checkpoint what its participants have said of it, and what the job is.
pub(super) fn compose(
    checkpoint: Checkpoint,
    facts: &JobFacts,
    words: &Words,
    committables: &Committables,
) -> Checkpoint {
    let mut operators: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut sources: BTreeMap<String, Vec<SplitRecord>> = BTreeMap::new();
    for (participant, word) in words {
        match word {
            Word::Values(values) => {
                operators.entry(&participant.operator).or_default().push(Value::Object(values.clone()));
            }
            Word::Splits(splits) => {
                let of = sources.entry(participant.operator.clone()).or_default();
                of.extend(splits.iter().map(record_of));
            }
            Word::Prepared(_) => {}
        }
    }
    let fingerprint = |name: &str| facts.fingerprints.get(name).cloned().unwrap_or(Value::Null);
    let operators = operators.into_iter().map(|(name, scalars)| OperatorRecord {
        name: name.to_string(),
        fingerprint: fingerprint(name),
        scalars,
        // An operator without functions has no versions of them.
        functions: facts.versions.get(name).cloned().unwrap_or_default(),
    });
    let sinks = committables.iter().filter(|(_, of)| !of.is_empty());
    let values = |of: &[(u64, Value)]| of.iter().map(|(_, value)| value.clone()).collect();
    Checkpoint {
        key_groups: facts.key_groups,
        parallelism: facts.parallelism,
        operators: operators.collect(),
        sources,
        sinks: sinks.map(|(sink, of)| (sink.clone(), values(of))).collect(),
        ..checkpoint
    }
}

fn record_of(split: &TimedSplit) -> SplitRecord {
    let TimedSplit { state, event_time } = split.clone();
    SplitRecord {
        split: state.split.0,
        position: state.position.map(|position| position.0),
        event_time,
        ended: state.has_ended,
    }
}
