//! The `file` source: its splits and how they are opened.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::follow::FollowedFile;
use super::whole::{self, WholeFile};
use crate::connector::decode::{Cursor, DecodeSettings, Decoding};
use crate::connector::reader::{DecodingReader, KeptPosition};
use crate::connector::source::{Position, Source, Split, SplitReader, Waker};
use crate::connector::stdin::PipeInput;
use crate::error::{Error, Result};
use crate::job::spec::{self, Compression};
use crate::schema::SchemaRef;

/// Reads files. Each file is a split, named by its path as the job has it.
///
/// The files of a glob are listed once, when the job starts, in the order of their names: files that appear later are not
/// read, also where files are followed.
#[derive(Debug)]
pub(crate) struct FileSource {
    spec: spec::FileSource,
    base: PathBuf,
    decoding: Arc<dyn Decoding>,
}

impl FileSource {
    /// The source of a spec; everything that is wrong with it at once. Does not touch the disk.
    pub(crate) fn new(spec: &spec::FileSource, base: &Path) -> std::result::Result<Self, Vec<String>> {
        Self::decoded(spec, base, DecodeSettings::of_file(spec).map(|settings| Arc::new(settings) as Arc<dyn Decoding>))
    }

    /// Files whose bytes are read in another way than the spec's `format` says.
    pub(crate) fn decoded(
        spec: &spec::FileSource,
        base: &Path,
        decoding: std::result::Result<Arc<dyn Decoding>, Vec<String>>,
    ) -> std::result::Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        if spec.path.is_empty() {
            wrong.push("`path` is empty".into());
        }
        if is_glob(&spec.path)
            && let Err(e) = glob::Pattern::new(&spec.path)
        {
            wrong.push(format!("`path` is not a glob: {} at character {}", e.msg, e.pos + 1));
        }
        let compressed = whole::resolve(spec.compression, Path::new(&spec.path));
        if spec.follow && matches!(compressed, Compression::Gzip | Compression::Zstd) {
            wrong.push("`follow` goes with files that are not compressed".into());
        }
        match decoding {
            Ok(decoding) if wrong.is_empty() => Ok(FileSource { spec: spec.clone(), base: base.into(), decoding }),
            Ok(_) => Err(wrong),
            Err(more) => {
                wrong.extend(more);
                Err(wrong)
            }
        }
    }

    /// The paths that the job's path stands for, as the job would write them.
    fn paths(&self) -> Result<Vec<String>> {
        let path = &self.spec.path;
        // A file may have `[` in its name.
        if !is_glob(path) || self.base.join(path).exists() {
            return Ok(vec![path.clone()]);
        }
        let relative = Path::new(path).is_relative();
        let pattern = match relative {
            true => format!("{}/{path}", glob::Pattern::escape(&self.base.to_string_lossy())),
            false => path.clone(),
        };
        let wrong = |e: glob::PatternError| Error::user(format!("`{path}` is not a glob: {}", e.msg));
        // As in a shell: `*` stays within a folder and does not find hidden files.
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..Default::default()
        };
        let mut paths = Vec::new();
        for entry in glob::glob_with(&pattern, options).map_err(wrong)? {
            let found = entry.map_err(|e| Error::io(format_args!("cannot list {}", e.path().display()), e.error()))?;
            if found.is_dir() {
                continue;
            }
            let named = found.strip_prefix(&self.base).ok().filter(|_| relative).unwrap_or(&found);
            let Some(named) = named.to_str() else {
                return Err(Error::external(format!("the path {} is not UTF-8", named.display())));
            };
            paths.push(named.to_string());
        }
        paths.sort();
        if paths.is_empty() {
            let tried = self.base.join(path);
            return Err(Error::external(format!("no file matches {path} (looked for {})", tried.display())));
        }
        Ok(paths)
    }
}

impl Source for FileSource {
    fn schema(&self) -> SchemaRef {
        self.decoding.schema()
    }

    /// One for each file. All of them are looked at, so that a missing one is known before the job starts.
    fn splits(&self, _parallelism: usize) -> Result<Vec<Split>> {
        let paths = self.paths()?;
        for path in &paths {
            let full = self.base.join(path);
            if is_regular(&full, path)? {
                open_file(&full, path)?;
            }
        }
        Ok(paths.into_iter().map(Split).collect())
    }

    fn open(&self, split: &Split, position: Option<&Position>, waker: Waker) -> Result<Box<dyn SplitReader>> {
        let name: Arc<str> = split.0.as_str().into();
        let path = self.base.join(&split.0);
        let kept = position.map(|p| KeptPosition::of(p, &name)).transpose()?;
        let decoder = self.decoding.decoder(&name);
        let rows = self.decoding.batch_rows();
        if !is_regular(&path, &name)? {
            if position.is_some() {
                return Err(Error::user(format!("{name} is a pipe: it cannot be read again from where it was left")));
            }
            let (attempt, compression) = (path.display().to_string(), self.spec.compression);
            let open = move || File::open(&path).and_then(|file| whole::pipe_reader(file, &path, compression));
            let input = PipeInput::spawn(attempt, open, waker)?;
            return Ok(Box::new(DecodingReader::new(name, input, decoder, Cursor::start(), rows)));
        }
        if self.spec.follow {
            let (input, cursor) = FollowedFile::open(&path, &name, kept, waker)?;
            return Ok(Box::new(DecodingReader::new(name, input, decoder, cursor, rows)));
        }
        let cursor = kept.map_or_else(Cursor::start, |kept| kept.cursor);
        let input = WholeFile::open(&path, &name, self.spec.compression, cursor.offset)?;
        Ok(Box::new(DecodingReader::new(name, input, decoder, cursor, rows)))
    }
}

fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether `path` is a file, not a pipe or a device; a folder and what is not there are errors.
fn is_regular(path: &Path, name: &str) -> Result<bool> {
    let metadata = path.metadata().map_err(|e| cannot_read(path, name, &e))?;
    if metadata.is_dir() {
        return Err(Error::external(format!("cannot read {name}: it is a folder; its files would be {name}/*")));
    }
    Ok(metadata.is_file())
}

/// Opens a file for reading; the error names the job's path and the one that was tried.
pub(super) fn open_file(path: &Path, name: &str) -> Result<File> {
    File::open(path).map_err(|e| cannot_read(path, name, &e))
}

fn cannot_read(path: &Path, name: &str, error: &std::io::Error) -> Error {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_string(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        _ => error.to_string(),
    };
    let tried = if path == Path::new(name) { String::new() } else { format!(" (tried {})", path.display()) };
    Error::external(format!("cannot read {name}: {why}{tried}"))
}
