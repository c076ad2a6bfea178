//! The outputs of a job, so that its sources do not read them.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::file_sink::part_name::PartName;
use super::place::FileId;
use crate::sink::Writes;

/// The files that a job writes: those of its sinks, and the files to which its standard output and error go.
#[derive(Debug, Default)]
pub struct OwnOutputs {
    /// The writer's name in messages, and the path.
    files: Vec<(String, PathBuf)>,
    /// The same of folders of parts, and the extension of the parts' names.
    folders: Vec<(String, PathBuf, &'static str)>,
    prints: bool,
    /// All files that were ever seen, so that a file that is renamed while it is written is still known.
    seen: Mutex<HashMap<FileId, String>>,
}

impl OwnOutputs {
    /// Returns the outputs of a job's sinks, with the names of the sinks.
    pub fn of<'a>(sinks: impl IntoIterator<Item = (&'a str, Writes)>) -> Self {
        let mut outputs = OwnOutputs::default();
        for (name, writes) in sinks {
            match writes {
                Writes::File(path) => outputs.files.push((format!("the sink `{name}`"), path)),
                Writes::Folder { path, extension } => {
                    outputs.folders.push((format!("the sink `{name}`"), path, extension));
                }
                Writes::StandardOutput => outputs.prints = true,
                Writes::Nothing => {}
            }
        }
        outputs
    }

    /// Returns which part of the job writes a file, if one does.
    pub(crate) fn writer_of(&self, metadata: &Metadata) -> Option<String> {
        let wanted = FileId::of(metadata).filter(|_| metadata.is_file())?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (writer, path) in &self.files {
            if let Some(id) = path.metadata().ok().as_ref().and_then(FileId::of) {
                seen.insert(id, writer.clone());
            }
        }
        for (writer, folder, extension) in &self.folders {
            for entry in folder.read_dir().into_iter().flatten().flatten() {
                let is_part =
                    entry.file_name().to_str().is_some_and(|name| PartName::of_file(name, extension).is_some());
                if is_part && let Some(id) = entry.metadata().ok().as_ref().and_then(FileId::of) {
                    seen.insert(id, writer.clone());
                }
            }
        }
        for (is_used, id, name) in standard_streams() {
            if let Some(id) = id.filter(|_| is_used.unwrap_or(self.prints)) {
                seen.entry(id).or_insert_with(|| name.to_string());
            }
        }
        seen.get(&wanted).cloned()
    }
}

/// Returns standard output and error: whether they are used (standard output: where something prints), and their files.
fn standard_streams() -> [(Option<bool>, Option<FileId>, &'static str); 2] {
    [
        (None, stream_id(std::io::stdout()), "standard output"),
        (Some(true), stream_id(std::io::stderr()), "standard error"),
    ]
}

fn stream_id(stream: impl Stream) -> Option<FileId> {
    stream_metadata(stream).filter(Metadata::is_file).as_ref().and_then(FileId::of)
}

/// A standard stream.
#[cfg(unix)]
pub(super) use std::os::fd::AsFd as Stream;

/// Returns the metadata of the file behind a standard stream, where the system reports it.
#[cfg(unix)]
pub(super) fn stream_metadata(stream: impl Stream) -> Option<Metadata> {
    let owned = stream.as_fd().try_clone_to_owned().ok()?;
    std::fs::File::from(owned).metadata().ok()
}

#[cfg(not(unix))]
pub(super) use std::io::IsTerminal as Stream;

#[cfg(not(unix))]
pub(super) fn stream_metadata(_: impl Stream) -> Option<Metadata> {
    None
}
