//! What a node would find, without starting one.

use std::fmt::Write;

use flowgate_base::error::{Error, Result};
use redb::{DatabaseError, ReadOnlyDatabase};

use crate::api::tls::Tls;
use crate::catalog::{self, CatalogError};
use crate::groups::Groups;
use crate::node::Settings;
use crate::vault::Vault;

/// Looks at what a node with these settings would use, and changes nothing. Returns what it found, a line each.
///
/// # Errors
/// What would keep the node from starting: the certificate, the key, or the folder.
pub fn examine(settings: &Settings) -> Result<String> {
    let mut found = String::new();
    let mut line = |text: String| {
        // Writing to a string does not fail.
        let _ = writeln!(found, "{text}");
    };
    let (data, key) = (settings.data.display(), settings.key_file());
    let has_catalog = settings.catalog().exists();
    match (has_catalog, settings.data.is_dir()) {
        (true, _) => line(format!("{data} has a catalog")),
        (false, true) => line(format!("{data} has no catalog: a new node")),
        (false, false) if settings.data.exists() => {
            return Err(Error::io(data, &std::io::Error::from(std::io::ErrorKind::NotADirectory)));
        }
        (false, false) => line(format!("{data} is not there: a new node")),
    }
    if has_catalog {
        match ReadOnlyDatabase::open(settings.catalog()) {
            Err(DatabaseError::DatabaseAlreadyOpen) => line("a node runs on it now; a second one is refused".into()),
            Err(DatabaseError::RepairAborted) => {
                line("the node before did not end by itself; the catalog is repaired at the start".into());
            }
            Err(error) => return Err(CatalogError::File(error.into()).into()),
            Ok(file) => catalog::examine(&file)?,
        }
    }
    match key.exists() {
        true => _ = Vault::open(&key)?,
        false if has_catalog => line(format!("{} is not there: secrets in the catalog cannot be read", key.display())),
        false => line(format!("{} is not there: it is created", key.display())),
    }
    if let Some((certificate, key)) = &settings.tls {
        Tls::open(certificate, key)?;
        line("the certificate and its key fit together".into());
    }
    line(Groups::examine());
    Ok(found)
}
