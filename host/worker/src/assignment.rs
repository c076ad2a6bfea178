//! The assignment: all that a worker process is told, as JSON on its standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits::{ASSIGNMENT_BYTES_MAX, WorkerLimits};
use flowgate::job::check::PinnedPlugin;
use flowgate::job::load::{Document, Language};
use flowgate::running::{Beginning, FromSavepoint};
use flowgate_base::error::{Error, Result};
use flowgate_base::folders::HiddenFolder;
use flowgate_base::secret::Secrets;
use flowgate_connect::policy::Policy;
use flowgate_connect::touches::Touches;
use flowgate_wall::LogLevel;

/// The version of assignments that this program takes. It changes with their meaning.
pub const VERSION: u32 = 1;

/// What a worker process does, and with what. Its text has the values of secrets: it goes through a pipe, and into no file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// [`VERSION`].
    pub version: u32,
    /// What it does.
    pub task: Task,
    /// The tenant that the job belongs to.
    pub tenant: String,
    /// The job's name on the node.
    pub job: String,
    /// The number of the attempt, from 1; 0 for a check.
    pub attempt: u64,
    /// The job's document.
    pub document: JobDocument,
    /// The folder of all components of the tenant, from which a swap takes another one.
    #[serde(default)]
    pub plugin_folder: Option<PathBuf>,
    /// The components of the job's plugins. No others are found.
    #[serde(default)]
    pub plugins: Vec<AssignedPlugin>,
    /// The component of a swap that was requested before, at its operator: whether it has happened is said by the newest checkpoint.
    #[serde(default)]
    pub pending: Option<AssignedPlugin>,
    /// The secrets of the tenant, by name.
    #[serde(default, with = "exposed")]
    pub secrets: Secrets,
    /// The folder of the attempt, absolute: socket, log, spilled state, how it ended. A check writes nothing there.
    pub folder: PathBuf,
    /// A folder with a short path for the socket, where that of the attempt is too long for one.
    #[serde(default)]
    pub socket_folder: Option<PathBuf>,
    /// The folder of the job's files, absolute, to which paths of the job are relative.
    pub files: PathBuf,
    /// The checkpoint store of a job that has no `checkpoint:`.
    pub checkpoint_store: String,
    /// The time from one of its checkpoints to the next, in milliseconds.
    pub checkpoint_every_ms: i64,
    /// What becomes of its checkpoints.
    #[serde(default)]
    pub beginning: Begins,
    /// Folders whose paths nobody is shown.
    #[serde(default)]
    pub hidden: Vec<HiddenFolder>,
    /// Worker threads, whatever the document says.
    #[serde(default)]
    pub parallelism: Option<usize>,
    /// What the process may take.
    #[serde(default)]
    pub limits: WorkerLimits,
    /// What the job may touch outside; `None`: everything that this user may.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// What it touches, as its check has found: the process that runs it has no more than that.
    #[serde(default)]
    pub touches: Touches,
    /// The folder for machine code of compiled plugins, which belongs to the tenant; `None` keeps none.
    #[serde(default)]
    pub compiled: Option<PathBuf>,
    /// The least level of log lines that are kept.
    #[serde(default)]
    pub log_level: Level,
    /// Repeats log lines on standard error, in this form; `None` does not.
    #[serde(default)]
    pub log_format: Option<LogFormat>,
}

/// What a worker process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Checks the job, says what it found on standard output, and ends.
    Check,
    /// Does so, and says what would become of the state of a checkpoint: the one with which the job begins, or its newest.
    DryRun,
    /// Runs the job.
    Run,
}

/// A job's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobDocument {
    /// Its name, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its language.
    pub language: DocumentLanguage,
}

/// The language of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentLanguage {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

/// The component that stands for a plugin's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignedPlugin {
    /// The operator for which it does; `None`: all that have none of their own.
    #[serde(default)]
    pub operator: Option<String>,
    /// The plugin's name in the job.
    pub plugin: String,
    /// The component's file, absolute.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal. Another content is an error.
    pub digest: String,
}

/// What becomes of the checkpoints of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Begins {
    /// There must be none.
    #[default]
    New,
    /// It continues from the newest complete one. If there are none, it begins.
    Resume,
    /// It begins; they do not count any more.
    Fresh,
    /// It starts from a savepoint or a checkpoint; they do not count any more. Where it is to be the newest one, and the store has none, it
    /// begins.
    From {
        /// The store, as the job's document would name it: a path may be relative to the job's files.
        store: String,
        /// The name of the savepoint; with neither name nor number, the newest one.
        #[serde(default)]
        savepoint: Option<String>,
        /// The number of the checkpoint.
        #[serde(default)]
        number: Option<u64>,
        /// Operators, sources and sinks that begin without what it has of them.
        #[serde(default)]
        drop: Vec<String>,
    },
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every step.
    Trace,
    /// For who looks for a mistake.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What should not happen.
    Warn,
    /// What must not happen.
    Error,
}

/// The form of log lines on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line of text.
    Text,
    /// A JSON object.
    Json,
}

impl Assignment {
    /// Reads an assignment to the end of the input.
    ///
    /// # Errors
    /// It is too long, of another version, or none. The message quotes nothing of it.
    pub fn read(from: impl Read) -> Result<Assignment> {
        let mut bytes = Vec::new();
        from.take(ASSIGNMENT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io("cannot read the assignment", &e))?;
        if bytes.len() as u64 > ASSIGNMENT_BYTES_MAX {
            return Err(Error::internal(format!("the assignment has more than {ASSIGNMENT_BYTES_MAX} bytes")));
        }
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        // The parser's message may quote a value: where it stopped is enough.
        let wrong = |e: &serde_json::Error| {
            let (line, column) = (e.line(), e.column());
            Error::internal(format!("the assignment cannot be understood, at line {line}, column {column}"))
        };
        let Versioned { version } = serde_json::from_slice(&bytes).map_err(|e| wrong(&e))?;
        if version != VERSION {
            let message = format!("an assignment of version {version}; this program takes version {VERSION}");
            return Err(Error::internal(message));
        }
        serde_json::from_slice(&bytes).map_err(|e| wrong(&e))
    }

    /// Returns the document, whose paths are relative to the job's files.
    pub(crate) fn document(&self) -> Document {
        let JobDocument { name, text, language } = self.document.clone();
        let language = match language {
            DocumentLanguage::Yaml => Language::Yaml,
            DocumentLanguage::Json => Language::Json,
            DocumentLanguage::Toml => Language::Toml,
        };
        Document { name, text, language, base: self.files.clone() }
    }

    /// Returns the components of the job's plugins.
    pub(crate) fn pinned(&self) -> Vec<PinnedPlugin> {
        let pin = |of: &AssignedPlugin| PinnedPlugin {
            operator: of.operator.clone(),
            plugin: of.plugin.clone(),
            path: of.path.clone(),
        };
        self.plugins.iter().map(pin).collect()
    }
}

impl Begins {
    /// Returns how the job with these files begins; `newest` returns the number of the newest checkpoint of a store.
    ///
    /// # Errors
    /// Those of `newest`.
    pub(crate) fn beginning(
        &self,
        files: &Path,
        newest: impl FnOnce(&str) -> Result<Option<u64>>,
    ) -> Result<Beginning> {
        let (store, savepoint, number, drop) = match self {
            Begins::New => return Ok(Beginning::New),
            Begins::Resume => return Ok(Beginning::Resume),
            Begins::Fresh => return Ok(Beginning::Fresh),
            Begins::From { store, savepoint, number, drop } => (store, savepoint, number, drop),
        };
        let store = match store.contains("://") {
            true => store.clone(),
            false => files.join(store).display().to_string(),
        };
        let which = match (savepoint, number) {
            (Some(savepoint), _) => savepoint.clone(),
            (None, Some(number)) => number.to_string(),
            (None, None) => match newest(&store)? {
                Some(number) => number.to_string(),
                None => return Ok(Beginning::Resume),
            },
        };
        Ok(Beginning::From(FromSavepoint { address: format!("{store}#{which}"), drop: drop.clone() }))
    }
}

impl Level {
    /// Returns the level of a plugin's line.
    pub(crate) fn of(level: LogLevel) -> Level {
        match level {
            LogLevel::Trace => Level::Trace,
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
        }
    }

    /// The name used in log lines.
    pub fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// Secrets as JSON, with their values: in an assignment, and nowhere else.
mod exposed {
    use std::collections::BTreeMap;

    use flowgate_base::secret::{Secret, Secrets};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secrets: &Secrets, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(secrets.iter().map(|(name, secret)| (name, secret.value())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secrets, D::Error> {
        let values = BTreeMap::<String, String>::deserialize(from)?;
        Ok(values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = r#"{"version":1,"task":"run","tenant":"acme","job":"web","attempt":3,
        "document":{"name":"job.yaml","text":"job: web","language":"yaml"},
        "secrets":{"KEY":"hunter22"},"folder":"/a","files":"/f","checkpoint_store":"/c","checkpoint_every_ms":1000}"#;

    #[test]
    fn an_assignment_is_read_back_and_does_not_display_its_secrets() {
        let assignment = Assignment::read(SHORT.as_bytes()).unwrap();
        assert_eq!(assignment.secrets["KEY"].value(), "hunter22");
        assert_eq!((assignment.beginning.clone(), assignment.limits.open_files), (Begins::New, 8_192));
        assert!(!format!("{assignment:?}").contains("hunter22"));
        let written = serde_json::to_vec(&assignment).unwrap();
        assert_eq!(Assignment::read(&written[..]).unwrap(), assignment);
    }

    #[test]
    fn a_wrong_assignment_is_refused_without_a_word_of_it() {
        for (wrong, expected) in [
            (SHORT.replace("\"version\":1", "\"version\":2"), "version 2"),
            (SHORT.replace("hunter22\"}", "hunter22\"},\"hunter22\":1"), "at line"),
            (SHORT.replace("\"hunter22\"", "[\"hunter22\"]"), "at line"),
            ("hunter22".into(), "at line"),
            (String::new(), "at line"),
        ] {
            let message = Assignment::read(wrong.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains("hunter"), "{message}");
        }
    }

    #[test]
    fn a_beginning_names_its_savepoint_or_checkpoint() {
        let begins = |store: &str, savepoint: Option<&str>, number, newest| {
            let savepoint = savepoint.map(Into::into);
            let begins = Begins::From { store: store.into(), savepoint, number, drop: vec!["a".into()] };
            begins.beginning(Path::new("/f"), |of| Ok(newest).inspect(|_| assert_eq!(of, "/s"))).unwrap()
        };
        let from = |address: &str| Beginning::From(FromSavepoint { address: address.into(), drop: vec!["a".into()] });
        assert_eq!(begins("/s", Some("a"), None, None), from("/s#a"));
        assert_eq!(begins("s3://s", None, Some(7), None), from("s3://s#7"));
        assert_eq!(begins("../s", Some("a"), None, None), from("/f/../s#a"), "a path is relative to the job's files");
        assert_eq!(begins("/s", None, None, Some(9)), from("/s#9"), "the newest one");
        assert_eq!(begins("/s", None, None, None), Beginning::Resume, "there is none");
    }
}
