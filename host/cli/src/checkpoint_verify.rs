//! `flowgate checkpoint verify`.

use std::collections::BTreeMap;

use clap::Args;

use super::checkpoint_list::bytes_in_all;
use super::checkpoint_record::bytes;
use super::checkpoint_store::{Opened, StoreName};
use super::error::CommandError;
use super::terminal;
use flowgate_base::error::{Error, Result};
use flowgate_base::shown;
use flowgate_checkpoint::{Checkpoint, Manifest, Reader};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate checkpoint verify ./checkpoints
  flowgate checkpoint verify ./checkpoints 12

Reads every byte. Without N, all checkpoints that count are read, and savepoints; a file that several of them share is read once. \
The exit code is 1 if something is damaged. The job may run meanwhile.";

/// Maximum bytes of a line about damage.
const LINE_BYTES_MAX: usize = 1_024;

/// Arguments of `flowgate checkpoint verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The store.
    #[command(flatten)]
    store: StoreName,
    /// The number of a checkpoint, as `flowgate checkpoint list` shows it. Without it: all that count.
    #[arg(value_name = "N")]
    number: Option<u64>,
}

pub(super) fn run(args: &VerifyArgs) -> Result<()> {
    let opened = Opened::open(&args.store)?;
    let found: Vec<(u64, Result<Manifest>)> = match args.number {
        Some(number) => match opened.choose(Some(number)) {
            Ok(chosen) => vec![(number, Ok(chosen.manifest))],
            Err(error) if error.code == &flowgate_checkpoint::code::DAMAGED => vec![(number, Err(error))],
            Err(error) => return Err(error),
        },
        None => {
            let counting = opened.history.lineage().chain(&opened.earlier);
            counting.map(|entry| (entry.number, entry.manifest.clone())).collect()
        }
    };
    if found.is_empty() {
        // There is none to choose either, and the error says why.
        return opened.choose(None).map(drop);
    }
    let (mut known, mut damaged) = (BTreeMap::new(), 0);
    let count = found.len();
    for (number, manifest) in found {
        let (text, damage) = match &manifest {
            Err(error) => (String::new(), vec![error.message.clone()]),
            Ok(manifest) => match manifest.checkpoint() {
                None => continue,
                Some(checkpoint) => (size(checkpoint), damage_of(&opened, checkpoint, &mut known)?),
            },
        };
        if damage.is_empty() {
            terminal::print(&format!("checkpoint {number}: {text}, not damaged\n"))?;
        } else if opened.has_lost(number)? {
            terminal::print(&format!("checkpoint {number}: the running job has deleted it meanwhile\n"))?;
        } else {
            damaged += 1;
            let lines = damage.iter().map(|reason| format!("  {}\n", shown::one_line(reason, LINE_BYTES_MAX)));
            terminal::print(&format!("checkpoint {number}: DAMAGED\n{}", lines.collect::<String>()))?;
        }
    }
    match damaged {
        0 => Ok(()),
        1 if count == 1 => Err(CommandError::Damaged("the checkpoint is damaged".into()).into()),
        damaged => Err(CommandError::Damaged(format!("{damaged} of {count} checkpoints are damaged")).into()),
    }
}

/// Returns the damage of a checkpoint's files. `known` has that of the files that were read before.
fn damage_of(
    opened: &Opened,
    checkpoint: &Checkpoint,
    known: &mut BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>> {
    let reader = Reader::new(&opened.store, checkpoint);
    let mut damage = Vec::new();
    for file in &checkpoint.files {
        if !known.contains_key(&file.path) {
            let found = reader.damage(file)?.iter().map(|error: &Error| error.message.clone()).collect();
            known.insert(file.path.clone(), found);
        }
        damage.extend(known.get(&file.path).into_iter().flatten().cloned());
    }
    Ok(damage)
}

fn size(checkpoint: &Checkpoint) -> String {
    let files = checkpoint.files.len();
    format!("{files} file{} of {}", if files == 1 { "" } else { "s" }, bytes(bytes_in_all(checkpoint)))
}
