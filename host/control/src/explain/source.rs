//! Why nothing comes out of a source.

use super::explanation::Cause;
use super::story::{Story, has_ended, last_out};
use super::words::{counted, names, whole};
use super::{backpressure, watermark};
use crate::status::{Activity, Kind, Operator};

/// Says what a source does.
pub(super) fn reason<'a>(story: &mut Story<'a>, source: &'a Operator) {
    story.splits_of.push(source);
    let name = &source.name;
    let read = counted(source.rows_in, "row");
    if has_ended(source) {
        let text = match source.splits.len() {
            0 => format!("The source `{name}` has nothing to read: none of its files is there yet."),
            _ => format!("The source `{name}` has been read to its end: {read}."),
        };
        return story.add(Cause::Ended, source, text);
    }
    if backpressure::reason(story, source) {
        return;
    }
    if let Some(since) = source.on_workers.iter().filter_map(|on| on.aligned_since_ms).min() {
        return aligned(story, source, since);
    }
    let Some(last) = last_out(source) else {
        let splits = source.splits.len() as u64 + source.splits_left_out;
        let in_all = if splits > 1 { format!(", in none of its {} splits", whole(splits)) } else { String::new() };
        let text = format!("The source `{name}` has not had a row since the job was started{in_all}.");
        return story.add(Cause::NeverHadRows, source, text);
    };
    if source.errors > 0 && source.errors >= source.rows_in {
        let first = source.first_error.as_deref().map_or_else(String::new, |first| format!(" The first: {first}."));
        return story.add(
            Cause::Failed,
            source,
            format!("None of the {read} of the source `{name}` could be decoded.{first}"),
        );
    }
    if story.is_quiet(Some(last)) {
        let text = format!("The source `{name}` has read {read}, and none {}.", story.since(last));
        story.add(Cause::Quiet, source, text);
    } else {
        let text = format!("The source `{name}` has read {read}, the last one {} ago.", story.ago(last));
        story.add(Cause::Emits, source, text);
    }
}

/// A source that waits for others of its alignment group.
pub(super) fn aligned<'a>(story: &mut Story<'a>, source: &'a Operator, since: i64) {
    if story.aligned.contains(&source.name.as_str()) {
        return;
    }
    story.aligned.push(&source.name);
    let mine = source.watermark_ms();
    let behind = |other: &&Operator| {
        other.kind == Kind::Source
            && other.name != source.name
            && other.watermark_ms().is_none_or(|at| mine.is_some_and(|mine| at < mine))
            && other.splits.iter().any(|split| split.activity == Activity::Active)
    };
    let others: Vec<&Operator> = story.status.operators.iter().filter(behind).collect();
    let named: Vec<&str> = others.iter().map(|other| other.name.as_str()).collect();
    let named = if named.is_empty() { "another source".to_string() } else { names(&named, "or") };
    let text = format!(
        "The source `{}` waits for {named}, which is behind in event time, {}. Its rows would only fill the state of the operator \
         that reads both.",
        source.name,
        story.since(since)
    );
    story.add(Cause::Aligned, source, text);
    for other in others {
        watermark::split(story, other, None, None);
    }
}
