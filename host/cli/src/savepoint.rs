//! The arguments `--from` and `--drop`: the savepoint from which a job starts.

use clap::{Args, ValueHint};

use flowgate::running::{FromSavepoint, Prospect};
use flowgate_worker::figures::whole;

/// The savepoint from which a job starts.
#[derive(Debug, Args)]
pub(crate) struct FromArgs {
    /// Start from a savepoint: STORE is the newest one of a checkpoint store, STORE#NAME the one of this name, STORE#N the checkpoint
    /// with the number N. Checkpoints that the job has do not count any more.
    #[arg(long, value_name = "SAVEPOINT", value_hint = ValueHint::DirPath)]
    pub from: Option<String>,
    /// With --from: an operator, a source or a sink that begins without what the savepoint has of it. May be given several times.
    #[arg(long, value_name = "NAME", requires = "from")]
    pub drop: Vec<String>,
}

impl FromArgs {
    /// Returns the savepoint, if there is one.
    pub(super) fn savepoint(&self) -> Option<FromSavepoint> {
        self.from.clone().map(|address| FromSavepoint { address, drop: self.drop.clone() })
    }
}

/// Says what becomes of a savepoint in a job, a line each; problems are not among them.
pub(super) fn text(prospect: &Prospect) -> String {
    let mut text = format!("from {}\n", prospect.savepoint);
    for (operator, rows) in &prospect.kept {
        let rows = format!("{} row{}", whole(*rows), if *rows == 1 { "" } else { "s" });
        text += &format!("  `{operator}`: {rows} of state\n");
    }
    for note in &prospect.notes {
        text += &format!("  {note}\n");
    }
    text
}
