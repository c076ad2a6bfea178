//! The `file` source: its splits and how they are opened.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::appearing::{AppearingFiles, FollowedReader, OpenFile};
use super::follow::FollowedFile;
use super::pattern::{FollowedPattern, Match, Pattern, is_pattern};
use super::resume::{self, Earlier};
use super::whole::{self, WholeFile};
use crate::decode::{DecodeSettings, Decoding};
use crate::error::SourceError;
use crate::own_output::OwnOutputs;
use crate::problem::Problem;
use crate::reader::{DecodingReader, KeptPosition, Place};
use crate::settings as spec;
use crate::settings::{Compression, OnLoss};
use crate::source::{Position, Source, Split, SplitReader, SplitState, Waker};
use crate::stdin::PipeInput;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::SchemaRef;

/// Reads files. Each file is a split, named by its path in the job.
///
/// The files of a glob are in the order of their names. Where files are followed, the reader of the last split reads files that
/// appear later.
#[derive(Debug)]
pub(crate) struct FileSource {
    spec: spec::FileSource,
    base: PathBuf,
    decoding: Arc<dyn Decoding>,
    outputs: Arc<OwnOutputs>,
    /// Set for a followed glob, once its splits were listed.
    followed: OnceLock<Followed>,
}

#[derive(Debug)]
struct Followed {
    pattern: Arc<FollowedPattern>,
    last: Split,
}

impl FileSource {
    /// Creates the source of a spec; the error lists all problems. Does not touch the disk.
    pub(crate) fn new(spec: &spec::FileSource, base: &Path) -> std::result::Result<Self, Vec<Problem>> {
        Self::decoded(spec, base, DecodeSettings::of_file(spec).map(|settings| Arc::new(settings) as Arc<dyn Decoding>))
    }

    /// Creates a source of files with another decoding than the spec's `format`.
    pub(crate) fn decoded(
        spec: &spec::FileSource,
        base: &Path,
        decoding: std::result::Result<Arc<dyn Decoding>, Vec<Problem>>,
    ) -> std::result::Result<Self, Vec<Problem>> {
        let mut wrong = Vec::new();
        if spec.path.is_empty() {
            wrong.push(Problem::of("path", "`path` is empty"));
        }
        if is_pattern(&spec.path)
            && let Err(e) = glob::Pattern::new(&spec.path)
        {
            let message = format!("`path` is not a glob: {} at character {}", e.msg, e.pos + 1);
            wrong.push(Problem::of("path", message));
        }
        let compressed = whole::resolve(spec.compression, Path::new(&spec.path));
        if !spec.follow && spec.on_loss != OnLoss::Fail {
            wrong.push(Problem::of(
                "on_loss",
                "`on_loss` goes with `follow`: other files must be there when a job resumes",
            ));
        }
        if spec.follow && matches!(compressed, Compression::Gzip | Compression::Zstd) {
            wrong.push(Problem::of("follow", "`follow` goes with files that are not compressed"));
        }
        match decoding {
            Ok(decoding) if wrong.is_empty() => Ok(FileSource {
                spec: spec.clone(),
                base: base.into(),
                decoding,
                outputs: Arc::default(),
                followed: OnceLock::new(),
            }),
            Ok(_) => Err(wrong),
            Err(more) => {
                wrong.extend(more);
                Err(wrong)
            }
        }
    }

    /// Returns the pattern of the path, if it is one.
    fn pattern(&self) -> Option<Pattern> {
        let path = &self.spec.path;
        // A file may have `[` in its name.
        (is_pattern(path) && !self.base.join(path).exists()).then(|| Pattern::new(path, &self.base))
    }

    /// Returns a new list of the files of a followed pattern.
    fn follows(&self, pattern: &Pattern) -> Arc<FollowedPattern> {
        Arc::new(FollowedPattern::new(pattern.clone(), self.spec.compression, Arc::clone(&self.outputs)))
    }

    /// Notes the splits that are read; the reader of the last one reads files that appear.
    fn set_followed<'a>(&self, pattern: Arc<FollowedPattern>, splits: impl Iterator<Item = &'a str>) {
        let last = splits.inspect(|name| pattern.claim(name)).last().map(|name| Split(name.into()));
        if let Some(last) = last {
            // Splits that are listed again are those of the first time.
            let _ = self.followed.set(Followed { pattern, last });
        }
    }

    /// Returns the files of a pattern.
    fn matches(&self, pattern: &Pattern) -> Result<Vec<String>> {
        let mut found = pattern.list()?;
        if self.spec.follow {
            let followed = self.follows(pattern);
            found.retain(|found: &Match| followed.is_followed(found));
            self.set_followed(followed, found.iter().map(|found| found.name.as_str()));
        }
        if found.is_empty() {
            let (path, tried) = (&self.spec.path, self.base.join(&self.spec.path));
            return Err(Error::from(SourceError::NoFiles(format!(
                "no file matches {path} (looked for {})",
                tried.display()
            ))));
        }
        Ok(found.into_iter().map(|found| found.name).collect())
    }

    /// Returns the function that opens followed files of a pattern; `waker` wakes their reader.
    fn opens(&self, pattern: &Arc<FollowedPattern>, waker: &Waker) -> OpenFile {
        let (base, decoding) = (self.base.clone(), Arc::clone(&self.decoding));
        let (pattern, waker) = (Arc::clone(pattern), Arc::clone(waker));
        let on_loss = self.spec.on_loss;
        Box::new(move |name| {
            let pattern = Some(Arc::clone(&pattern));
            let (input, place) =
                FollowedFile::open(&base.join(name), name, None, pattern, on_loss, Arc::clone(&waker))?;
            let (decoder, rows) = (decoding.decoder(name), decoding.batch_rows());
            Ok(FollowedReader::at(place, name.into(), input, decoder, rows))
        })
    }

    /// Checks that a file can be read, and is not written by this job.
    fn check_readable(&self, name: &str) -> Result<()> {
        let path = self.base.join(name);
        let metadata = metadata(&path, name)?;
        if let Some(writer) = self.outputs.writer_of(&metadata) {
            let help = "write elsewhere, or read other files";
            return Err(Error::from(SourceError::OwnOutput(format!(
                "cannot read {name}: {writer} of this job writes to it; {help}"
            ))));
        }
        if metadata.is_file() {
            open_file(&path, name)?;
        }
        Ok(())
    }

    /// Opens the reader of one split alone.
    fn reader(&self, split: &Split, position: Option<&Position>, waker: Waker) -> Result<Box<dyn SplitReader>> {
        let name: Arc<str> = split.0.as_str().into();
        let path = self.base.join(&split.0);
        let kept = position.map(|p| KeptPosition::of(p, &name)).transpose()?;
        let decoder = self.decoding.decoder(&name);
        let rows = self.decoding.batch_rows();
        // The file of a position may have another name now.
        if (kept.is_none() || path.exists()) && !metadata(&path, &name)?.is_file() {
            if kept.is_some() {
                return Err(Error::from(SourceError::NotRepeatable(format!(
                    "{name} is a pipe: it cannot be read again from where it was left"
                ))));
            }
            let (attempt, compression) = (path.display().to_string(), self.spec.compression);
            let open = move || File::open(&path).and_then(|file| whole::pipe_reader(file, &path, compression));
            let input = PipeInput::spawn(attempt, open, waker)?;
            return Ok(Box::new(DecodingReader::new(name, input, decoder, rows)));
        }
        if self.spec.follow {
            let pattern = self.followed.get().map(|followed| Arc::clone(&followed.pattern));
            let (input, place) = FollowedFile::open(&path, &name, kept, pattern, self.spec.on_loss, waker)?;
            return Ok(Box::new(DecodingReader::at(place, name, input, decoder, rows)));
        }
        let (input, place) = match kept {
            Some(kept) => WholeFile::resume(&path, &name, self.spec.compression, kept)?,
            None => (WholeFile::open(&path, &name, self.spec.compression)?, Place::default()),
        };
        Ok(Box::new(DecodingReader::at(place, name, input, decoder, rows)))
    }
}

impl Source for FileSource {
    fn schema(&self) -> SchemaRef {
        self.decoding.schema()
    }

    fn ends(&self) -> bool {
        let is_pipe = || self.base.join(&self.spec.path).metadata().is_ok_and(|there| !there.is_file());
        !self.spec.follow && (self.pattern().is_some() || !is_pipe())
    }

    fn refuses_checkpoints(&self) -> Option<String> {
        let is_pipe =
            |name: &String| self.base.join(name).metadata().is_ok_and(|there| !there.is_file() && !there.is_dir());
        let names = match self.pattern() {
            Some(pattern) => match pattern.list() {
                Ok(found) => found.into_iter().map(|found| found.name).collect(),
                // `splits` lists it again, and returns the error.
                Err(_) => return None,
            },
            None => vec![self.spec.path.clone()],
        };
        names.iter().find(|name| is_pipe(name)).map(|name| format!("{name} is a pipe, which cannot be read again"))
    }

    fn avoid(&mut self, outputs: &Arc<OwnOutputs>) {
        self.outputs = Arc::clone(outputs);
    }

    /// Returns one split for each file. All of them are looked at, so that a missing one is known before the job starts.
    fn splits(&self, _parallelism: usize) -> Result<Vec<Split>> {
        let paths = match self.pattern() {
            Some(pattern) => self.matches(&pattern)?,
            None => vec![self.spec.path.clone()],
        };
        paths.iter().try_for_each(|path| self.check_readable(path))?;
        Ok(paths.into_iter().map(Split).collect())
    }

    fn resume_splits(&self, parallelism: usize, earlier: Vec<SplitState>) -> Result<Vec<SplitState>> {
        if earlier.is_empty() {
            return Ok(self.splits(parallelism)?.into_iter().map(SplitState::new).collect());
        }
        let earlier = Earlier::all(earlier)?;
        let Some(pattern) = self.pattern() else {
            return resume::of_path(earlier, &self.spec.path);
        };
        let mut listed = pattern.list()?;
        let followed = self.spec.follow.then(|| self.follows(&pattern));
        if let Some(followed) = &followed {
            listed.retain(|found| followed.is_followed(found));
            resume::remember_finished(&earlier, &listed, followed);
        }
        let splits = resume::of_pattern(earlier, &listed, &self.base, followed.as_deref())?;
        for new in splits.iter().filter(|state| state.position.is_none()) {
            self.check_readable(&new.split.0)?;
        }
        if let Some(followed) = followed {
            let read = splits.iter().filter(|state| !state.has_ended);
            self.set_followed(followed, read.map(|state| state.split.0.as_str()));
        }
        Ok(splits)
    }

    fn open(&self, split: &Split, position: Option<&Position>, waker: Waker) -> Result<Box<dyn SplitReader>> {
        let own = self.reader(split, position, Arc::clone(&waker))?;
        match self.followed.get().filter(|followed| followed.last == *split) {
            None => Ok(own),
            Some(Followed { pattern, .. }) => {
                let open = self.opens(pattern, &waker);
                Ok(Box::new(AppearingFiles::new(own, pattern, open, waker)?))
            }
        }
    }
}

/// Returns the metadata of a file; the error says that it is a folder or missing.
fn metadata(path: &Path, name: &str) -> Result<Metadata> {
    let metadata = path.metadata().map_err(|e| cannot_read(path, name, &e))?;
    if metadata.is_dir() {
        return Err(Error::from(SourceError::Unreadable(format!(
            "cannot read {name}: it is a folder; its files would be {name}/*"
        ))));
    }
    Ok(metadata)
}

/// Opens a file for reading; the error names the job's path and the one that was tried.
pub(super) fn open_file(path: &Path, name: &str) -> Result<File> {
    File::open(path).map_err(|e| cannot_read(path, name, &e))
}

fn cannot_read(path: &Path, name: &str, error: &std::io::Error) -> Error {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound if let Ok(target) = path.read_link() => {
            format!("it is a link to {}, which does not exist", target.display())
        }
        std::io::ErrorKind::NotFound => "there is no such file".to_string(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        _ => error.to_string(),
    };
    let tried = if path == Path::new(name) { String::new() } else { format!(" (tried {})", path.display()) };
    Error::from(SourceError::Unreadable(format!("cannot read {name}: {why}{tried}")))
}
