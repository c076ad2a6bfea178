//! Addresses of stores.

use std::fmt;
use std::path::Path;

use flowgate_base::error::Result;

use crate::error::CheckpointError;
use crate::store::create::Store;
use crate::store::folder::Folder;

/// Opens a store at an address whose scheme it was registered for.
pub type Constructor = fn(&str) -> Result<Store>;

/// The kinds of stores of this program: a local folder, those of the features of this crate, and those that were registered.
#[derive(Clone)]
pub struct Stores {
    kinds: Vec<(&'static str, Constructor)>,
}

impl Default for Stores {
    fn default() -> Self {
        Stores {
            kinds: vec![
                #[cfg(feature = "s3")]
                ("s3", super::https::open_s3),
                #[cfg(feature = "gcs")]
                ("gs", super::https::open_gcs),
                #[cfg(feature = "azure")]
                ("az", super::https::open_azure),
            ],
        }
    }
}

impl Stores {
    /// Adds a kind of store: addresses that begin with `scheme://`.
    #[must_use]
    pub fn with(mut self, scheme: &'static str, constructor: Constructor) -> Self {
        self.kinds.push((scheme, constructor));
        self
    }

    /// Checks that an address names a kind of store, without opening it.
    ///
    /// # Errors
    /// It names none: the user's.
    pub fn check(&self, address: &str) -> Result<()> {
        match address.split_once("://") {
            Some((scheme, rest)) if scheme != "file" => {
                self.kind(scheme, address)?;
                if rest.trim_matches('/').is_empty() {
                    return wrong(address, format!("write {scheme}://<place>/<folder>"));
                }
                Ok(())
            }
            Some((_, path)) if !path.starts_with('/') => {
                wrong(address, "write file:///<path>, or the path alone".into())
            }
            None if address.is_empty() => wrong(address, "write the path of a folder".into()),
            _ => Ok(()),
        }
    }

    /// Opens the store at an address: a path, `file:///path`, or `scheme://place/folder`. A local folder is created if it is missing.
    ///
    /// # Errors
    /// The address is wrong: the user's. The store cannot be opened: the outside world's.
    pub fn open(&self, address: &str) -> Result<Store> {
        self.check(address)?;
        match address.split_once("://") {
            Some((scheme, _)) if scheme != "file" => self.kind(scheme, address)?(address),
            Some((_, path)) => Folder::open(path).map(Store::new),
            None => Folder::open(address).map(Store::new),
        }
    }

    /// Opens the store at an address in order to read it: a local folder is not created.
    ///
    /// # Errors
    /// As for [`Stores::open`]; and the folder is missing: the user's.
    pub fn open_existing(&self, address: &str) -> Result<Store> {
        self.check(address)?;
        match local_folder(address) {
            Some(path) if !path.exists() => wrong(address, "there is no such folder".into()),
            Some(path) if !path.is_dir() => wrong(address, "it is no folder".into()),
            _ => self.open(address),
        }
    }

    fn kind(&self, scheme: &str, address: &str) -> Result<Constructor> {
        match self.kinds.iter().find(|(known, _)| *known == scheme) {
            Some((_, constructor)) => Ok(*constructor),
            None => {
                let known: Vec<String> = self.kinds.iter().map(|(known, _)| format!(", {known}://")).collect();
                wrong(address, format!("this program knows paths, file://{}", known.concat()))
            }
        }
    }
}

/// Returns the folder of an address that names one on this machine.
pub fn local_folder(address: &str) -> Option<&Path> {
    match address.split_once("://") {
        Some(("file", path)) => Some(Path::new(path)),
        Some(_) => None,
        None => Some(Path::new(address)),
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds.iter().map(|(scheme, _)| scheme)).finish()
    }
}

fn wrong<T>(address: &str, reason: String) -> Result<T> {
    Err(CheckpointError::Address { address: address.into(), reason }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_read_is_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("file"), "").unwrap();
        for (name, reason) in [("missing", "there is no such folder"), ("file", "it is no folder")] {
            let error = Stores::default().open_existing(&at(name)).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(!folder.path().join("missing").exists());
        assert!(Stores::default().open_existing(&at("")).is_ok());
    }

    #[test]
    fn an_address_is_checked_before_anything_is_opened() {
        let stores = Stores { kinds: vec![("s3", |_| unreachable!("only checked"))] };
        for address in ["checkpoints", "./a b", "/var/lib/x", "file:///var/lib/x", "s3://bucket", "s3://bucket/a/b"] {
            assert_eq!(stores.check(address), Ok(()), "{address}");
        }
        for (address, right) in [
            ("", "write the path of a folder"),
            ("file://relative", "write file:///<path>"),
            ("s3://", "write s3://<place>/<folder>"),
            ("hdfs://a:1/b", "this program knows paths, file://, s3://"),
        ] {
            let error = stores.check(address).unwrap_err().to_string();
            assert!(error.contains(right), "{address}: {error}");
        }
    }
}
