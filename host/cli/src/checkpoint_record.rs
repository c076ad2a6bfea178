//! What a record of a checkpoint store is to its job.

use super::checkpoint_store::Opened;
use flowgate_base::error::Result;
use flowgate_checkpoint::{Entry, Manifest, Record};
use flowgate_worker::figures;

/// A record, and what it is worth.
pub(super) struct Judged<'a> {
    pub(super) entry: &'a Entry,
    pub(super) standing: Standing,
}

/// What becomes of a record when the job continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The record is no checkpoint.
    None,
    /// The checkpoint counts, and a newer one is used.
    Counts,
    /// A job that continues takes it.
    Resumes,
    /// The job has ended with it.
    Ends,
    /// The checkpoint cannot be used.
    Damaged(String),
    /// A later attempt began fresh.
    BeforeFresh,
    /// A later attempt began from an earlier checkpoint.
    Abandoned {
        /// Its number.
        from: u64,
    },
    /// A savepoint.
    Kept,
}

impl Standing {
    /// Whether it is a checkpoint that counts. Damaged ones do: a job warns when it passes over them.
    pub(super) fn counts(&self) -> bool {
        matches!(self, Standing::Counts | Standing::Resumes | Standing::Ends | Standing::Damaged(_))
    }

    /// Returns a remark for people.
    pub(super) fn note(&self) -> String {
        match self {
            Standing::None | Standing::Counts => String::new(),
            Standing::Resumes => "--resume takes it".into(),
            Standing::Ends => "the job has ended".into(),
            Standing::Damaged(reason) => format!("damaged: {reason}"),
            Standing::BeforeFresh => "does not count: before a fresh start".into(),
            Standing::Abandoned { from } => format!("does not count: a later attempt began from {from}"),
            Standing::Kept => "kept; --from starts a job from it".into(),
        }
    }
}

/// Judges all records of a store, newest first.
///
/// # Errors
/// The store fails.
pub(super) fn judge(opened: &Opened) -> Result<Vec<Judged<'_>>> {
    // `None`: no checkpoint is complete.
    let resume = match opened.history.newest_complete(&opened.store) {
        Ok(resume) => Some(resume),
        Err(error) if error.code == &flowgate_checkpoint::code::DAMAGED => None,
        Err(error) => return Err(error),
    };
    let taken = resume.as_ref().and_then(|resume| resume.manifest.as_ref()).map(|manifest| manifest.number);
    let lineage: Vec<u64> = opened.history.lineage().map(|entry| entry.number).collect();
    let standing = |entry: &Entry| {
        if let Err(error) = &entry.manifest {
            return Standing::Damaged(error.message.clone());
        }
        let Some(checkpoint) = entry.manifest.as_ref().ok().and_then(Manifest::checkpoint) else {
            return Standing::None;
        };
        if checkpoint.savepoint.is_some() {
            return Standing::Kept;
        }
        let Some(at) = lineage.iter().position(|number| *number == entry.number) else {
            return left_behind(opened, entry.number);
        };
        match &resume {
            _ if taken == Some(entry.number) && checkpoint.ended => Standing::Ends,
            _ if taken == Some(entry.number) => Standing::Resumes,
            // Those that are newer than the one that is taken have a warning each.
            Some(resume) => match resume.warnings.get(at) {
                Some(warning) => Standing::Damaged(warning.message.clone()),
                None => Standing::Counts,
            },
            None => Standing::Damaged("it is not complete; `flowgate checkpoint verify` says why".into()),
        }
    };
    let in_history = opened.history.entries().iter().map(|entry| Judged { entry, standing: standing(entry) });
    let earlier = opened.earlier.iter().map(|entry| {
        let standing = match &entry.manifest {
            Ok(_) => Standing::Kept,
            Err(error) => Standing::Damaged(error.message.clone()),
        };
        Judged { entry, standing }
    });
    Ok(in_history.chain(earlier).collect())
}

/// Says why a checkpoint does not count: the oldest attempt after it that passed over it.
fn left_behind(opened: &Opened, number: u64) -> Standing {
    let later = opened.history.entries().iter().rev().filter(|entry| entry.number > number);
    let mut began = later.filter_map(|entry| match &entry.manifest.as_ref().ok()?.record {
        Record::Began { from } if from.unwrap_or(0) < number => Some(*from),
        _ => None,
    });
    match began.next().flatten() {
        Some(from) => Standing::Abandoned { from },
        None => Standing::BeforeFresh,
    }
}

/// Formats a number of bytes.
pub(super) fn bytes(bytes: u64) -> String {
    format!("{}B", figures::short(bytes as f64))
}

/// Formats microseconds: `0.2ms`, `15ms`, `2.5s`.
pub(super) fn micros(micros: u64) -> String {
    match micros {
        0 => "0".into(),
        1..10_000 => format!("{:.1}ms", (micros as f64 / 1e3).max(0.1)),
        10_000..1_000_000 => format!("{}ms", micros / 1_000),
        _ => figures::lag((micros / 1_000) as i64),
    }
}
