//! What a node has, saved in a file.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Bytes;

use super::client::Client;
use crate::error::CommandError;

/// Saves what is at a path of the node in a file that nobody else can read.
///
/// # Errors
/// The node refuses, or the file is there already or cannot be written.
pub(super) fn save(client: &Client, path: &str, into: &Path) -> Result<Bytes> {
    let failed = |error: io::Error| Error::io(format!("cannot write {}", into.display()), &error);
    let mut copy = client.stream(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(into);
    let mut file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            CommandError::Arguments(format!("{} exists already; name a new file", into.display())).into()
        }
        _ => failed(error),
    })?;
    let copied = io::copy(&mut copy, &mut file).and_then(|bytes| file.sync_all().map(|()| bytes));
    let bytes = copied.inspect_err(|_| {
        // Half of a copy is none.
        let _ = std::fs::remove_file(into);
    });
    Ok(Bytes(bytes.map_err(failed)?))
}
