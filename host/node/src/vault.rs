//! Secrets at rest: AES-256-GCM (NIST SP 800-38D) under the node's key, bound to the tenant and the name.
//!
//! The key is 32 random bytes in a file of mode 0600. Without it, secrets cannot be read: a backup needs the file, and should keep
//! it apart from the catalog. A sealed value is a nonce of 12 random bytes, the ciphertext, and a tag of 16 bytes.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::BASE64;
use flowgate_base::error::{Error, Result};
use flowgate_base::random;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

const KEY_BYTES: usize = 32;

/// Seals and opens secrets.
pub(crate) struct Vault(LessSafeKey);

impl Vault {
    /// Opens the vault with the key in a file, which is created where it is missing.
    ///
    /// # Errors
    /// The file cannot be used, others may read it, or it is no key.
    pub(crate) fn open(path: &Path) -> Result<Vault> {
        let cannot = |error: std::io::Error| Error::io(format!("the key file {}", path.display()), &error);
        let key = match fs::File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => create(path)?.to_vec(),
            Ok(mut file) => {
                let mode = file.metadata().map_err(cannot)?.mode();
                if mode & 0o077 != 0 {
                    let wrong = std::io::Error::other("others may read it; `chmod 600` makes it private");
                    return Err(cannot(wrong));
                }
                let mut key = Vec::new();
                Read::by_ref(&mut file).take(KEY_BYTES as u64 + 1).read_to_end(&mut key).map_err(cannot)?;
                key
            }
            Err(error) => return Err(cannot(error)),
        };
        let unbound = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| {
            cannot(std::io::Error::other(format!("it has {} bytes, and a key has {KEY_BYTES}", key.len())))
        })?;
        Ok(Vault(LessSafeKey::new(unbound)))
    }

    /// Encrypts the value of a secret.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn seal(&self, tenant: &str, name: &str, value: &str) -> Result<String> {
        let nonce = random::bytes::<NONCE_LEN>()?;
        let mut sealed = value.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound(tenant, name)), &mut sealed)
            .map_err(|_| Error::internal("a secret cannot be encrypted"))?;
        Ok(BASE64.encode(&[&nonce[..], &sealed].concat()))
    }

    /// Decrypts the value of a secret.
    ///
    /// # Errors
    /// It was sealed with another key, for another name, or has changed since.
    pub(crate) fn unseal(&self, tenant: &str, name: &str, sealed: &str) -> Result<String> {
        let wrong = || {
            Error::internal(format!("the secret `{name}` cannot be decrypted: is the key file that of this catalog?"))
        };
        let mut bytes = BASE64.decode(sealed.as_bytes()).map_err(|_| wrong())?;
        let (nonce, value) = bytes.split_first_chunk_mut::<NONCE_LEN>().ok_or_else(wrong)?;
        let value = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound(tenant, name)), value)
            .map_err(|_| wrong())?;
        String::from_utf8(value.to_vec()).map_err(|_| wrong())
    }
}

/// Creates the file of a key: all of it or, where this ends before, nothing.
fn create(path: &Path) -> Result<[u8; KEY_BYTES]> {
    let cannot = |error: std::io::Error| Error::io(format!("the key file {}", path.display()), &error);
    let key = random::bytes::<KEY_BYTES>()?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let unfinished = path.with_file_name(name);
    // One that an earlier start has left is no key of anything.
    let _ = fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(cannot)?;
    let written = file.write_all(&key).and_then(|()| file.sync_all());
    // A link does not replace a key that is there.
    let linked = written.and_then(|()| fs::hard_link(&unfinished, path));
    let _ = fs::remove_file(&unfinished);
    linked.map_err(cannot)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot)?;
    }
    Ok(key)
}

/// What a value is bound to: it cannot be moved to another name.
fn bound(tenant: &str, name: &str) -> Vec<u8> {
    format!("{tenant}/{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_value_comes_back_under_its_own_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let vault = Vault::open(&path).unwrap();
        let sealed = vault.seal("acme", "password", "hunter2").unwrap();
        assert_ne!(sealed, vault.seal("acme", "password", "hunter2").unwrap(), "each has a nonce of its own");
        assert!(!BASE64.decode(sealed.as_bytes()).unwrap().windows(7).any(|w| w == b"hunter2"));
        let again = Vault::open(&path).unwrap();
        assert_eq!(again.unseal("acme", "password", &sealed).unwrap(), "hunter2");
        assert!(again.unseal("acme", "other", &sealed).is_err());
        assert!(again.unseal("umbrella", "password", &sealed).is_err());
        let other = Vault::open(&folder.path().join("other.key")).unwrap();
        assert!(other.unseal("acme", "password", &sealed).is_err());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        Vault::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Vault::open(&path).err().unwrap().message.contains("chmod 600"));
    }

    #[test]
    fn a_start_that_was_killed_leaves_no_half_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        fs::write(folder.path().join("node.key.new"), b"half").unwrap();
        let sealed = Vault::open(&path).unwrap().seal("acme", "password", "hunter2").unwrap();
        assert_eq!(Vault::open(&path).unwrap().unseal("acme", "password", &sealed).unwrap(), "hunter2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap().write_all(b"short").unwrap();
        assert!(Vault::open(&path).err().unwrap().message.contains("it has 5 bytes"));
    }
}
