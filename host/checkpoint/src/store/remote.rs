//! A store that `object_store` reaches.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path as LocalPath;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{
    Error as StoreError, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart,
};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use flowgate_base::error::{Error, Result};

use crate::error::CheckpointError;
use crate::limits::{OPERATION_TIMEOUT_MS, UPLOAD_PART_BYTES, UPLOAD_PARTS_IN_FLIGHT};
use crate::store::backend::{Backend, Bytes};

/// A store on another machine, with a thread of its own for connections.
#[derive(Debug)]
pub struct Remote {
    address: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Runtime,
}

impl Remote {
    /// Opens the objects below a prefix of a store. `address` is what the user wrote.
    ///
    /// # Errors
    /// The prefix cannot be one: the user's. The thread cannot be started.
    pub fn new(address: &str, store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Remote> {
        let wrong = |reason: String| CheckpointError::Address { address: address.into(), reason };
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|e| wrong(e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("flowgate-store")
            .enable_all()
            .build()
            .map_err(|e| Error::io("cannot start a thread for the checkpoint store", &e))?;
        Ok(Remote { address: address.into(), store, prefix, runtime })
    }

    fn at(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// Waits for an answer. `None`: there is no such object.
    fn wait<T>(
        &self,
        attempt: &str,
        name: &str,
        answer: impl Future<Output = object_store::Result<T>>,
    ) -> Result<Option<T>> {
        let within = async { timeout(Duration::from_millis(OPERATION_TIMEOUT_MS), answer).await };
        match self.runtime.block_on(within) {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(StoreError::NotFound { .. })) => Ok(None),
            Ok(Err(error)) => Err(self.failure(attempt, name, &error)),
            Err(_) => {
                let attempt = format!("cannot {attempt} {name} in {}", self.address);
                let reason = format!("there was no answer within {} s", OPERATION_TIMEOUT_MS / 1_000);
                Err(CheckpointError::Away { attempt, reason }.into())
            }
        }
    }

    /// Waits for the answer to a change. What it changes need not exist, so a missing object means a missing bucket.
    fn change<T>(&self, attempt: &str, name: &str, answer: impl Future<Output = object_store::Result<T>>) -> Result<T> {
        self.wait(attempt, name, answer)?.ok_or_else(|| {
            let attempt = format!("cannot {attempt} {name} in {}", self.address);
            CheckpointError::Refused { attempt, reason: "the bucket, or the folder, does not exist".into() }.into()
        })
    }

    fn failure(&self, attempt: &str, name: &str, error: &StoreError) -> Error {
        let attempt = format!("cannot {attempt} {name} in {}", self.address);
        let reason = with_causes(error);
        match error {
            StoreError::PermissionDenied { .. }
            | StoreError::Unauthenticated { .. }
            | StoreError::NotSupported { .. }
            | StoreError::NotImplemented { .. }
            | StoreError::InvalidPath { .. }
            | StoreError::UnknownConfigurationKey { .. } => CheckpointError::Refused { attempt, reason }.into(),
            _ => CheckpointError::Away { attempt, reason }.into(),
        }
    }

    fn put(&self, name: &str, bytes: &[u8], mode: PutMode) -> impl Future<Output = object_store::Result<()>> {
        let (at, payload) = (self.at(name), PutPayload::from(bytes.to_vec()));
        async move { self.store.put_opts(&at, payload, PutOptions::from(mode)).await.map(drop) }
    }

    /// Uploads a large file in parts.
    fn upload_parts(&self, name: &str, mut file: File, local: &LocalPath) -> Result<()> {
        let at = self.at(name);
        let upload = self.change("write", name, self.store.put_multipart(&at))?;
        let mut upload = {
            // Parts are sent by tasks.
            let _entered = self.runtime.enter();
            WriteMultipart::new_with_chunk_size(upload, UPLOAD_PART_BYTES)
        };
        let sent = loop {
            let mut part = Vec::with_capacity(UPLOAD_PART_BYTES);
            match file.by_ref().take(UPLOAD_PART_BYTES as u64).read_to_end(&mut part) {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(e) => break Err(unreadable(local, &e)),
            }
            let room = self.change("write", name, upload.wait_for_capacity(UPLOAD_PARTS_IN_FLIGHT));
            if let Err(error) = room {
                break Err(error);
            }
            let _entered = self.runtime.enter();
            upload.put(part.into());
        };
        match sent {
            Ok(()) => self.change("write", name, upload.finish()).map(drop),
            Err(error) => {
                // Parts that stay cost money until a rule of the bucket removes them; there is no more to be done here.
                let _ = self.wait("abort the upload of", name, upload.abort());
                Err(error)
            }
        }
    }
}

impl Backend for Remote {
    fn address(&self) -> String {
        self.address.clone()
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let put = self.put(name, bytes, PutMode::Create);
        let created = async {
            match put.await {
                Ok(()) => Ok(true),
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.change("create", name, created)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.change("write", name, self.put(name, bytes, PutMode::Overwrite))
    }

    fn upload(&self, name: &str, local: &LocalPath) -> Result<()> {
        let file = File::open(local).map_err(|e| unreadable(local, &e))?;
        let size = file.metadata().map_err(|e| unreadable(local, &e))?.len();
        if size > UPLOAD_PART_BYTES as u64 {
            return self.upload_parts(name, file, local);
        }
        let bytes = std::fs::read(local).map_err(|e| unreadable(local, &e))?;
        self.change("write", name, self.put(name, &bytes, PutMode::Overwrite))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        let at = self.at(name);
        let from = range.as_ref().map_or(0, |range| range.start);
        let options = GetOptions::new().with_range(range);
        let answer = async { self.store.get_opts(&at, options).await?.bytes().await };
        match self.wait("read", name, answer) {
            Ok(bytes) => Ok(bytes.map(Into::into)),
            // A range behind the end is an error of its own with each store.
            Err(error) if from > 0 => match self.size(name)? {
                Some(size) if size <= from => Ok(Some(Bytes::new())),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        let at = self.at(name);
        Ok(self.wait("find", name, self.store.head(&at))?.map(|meta| meta.size))
    }

    fn list(&self) -> Result<Vec<String>> {
        Ok(self.names()?.into_iter().filter(|name| !name.starts_with('.')).collect())
    }

    fn delete(&self, name: &str) -> Result<()> {
        let at = self.at(name);
        self.wait("delete", name, self.store.delete(&at)).map(drop)
    }

    fn clean(&self) -> Result<()> {
        // HDFS has them, where a create-only put lost.
        for name in self.names()?.iter().filter(|name| name.starts_with('.') && name.contains(".tmp")) {
            self.delete(name)?;
        }
        Ok(())
    }
}

impl Remote {
    /// Names of all objects, half-written ones too.
    fn names(&self) -> Result<Vec<String>> {
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let list = self.wait("list", "names", self.store.list_with_delimiter(prefix))?;
        // `None`: there is no such folder yet, or no bucket, which the first put tells. Other failures were returned above.
        let objects = list.map_or_else(Vec::new, |list| list.objects);
        Ok(objects.iter().filter_map(|object| object.location.filename().map(Into::into)).collect())
    }
}

fn unreadable(local: &LocalPath, error: &std::io::Error) -> Error {
    Error::io(format_args!("cannot read {}, where a checkpoint is staged", local.display()), error)
}

/// The text of an error with its causes, as far as they say more.
fn with_causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
