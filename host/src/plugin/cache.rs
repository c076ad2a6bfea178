//! Compiled components, kept between runs.
//!
//! Loading machine code is loading code: every file carries an HMAC-SHA256 under a key that only this user can read.
//! File: 32 bytes of MAC over the file's name and the artifact, then the artifact. A file that is not right is as good
//! as none. S3: machine code is loaded only if this user's host wrote it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Files kept; the ones written longest ago go first.
const FILES_MAX: usize = 256;
const MAC_BYTES: usize = 32;

/// A folder of compiled components.
pub(super) struct Cache {
    folder: PathBuf,
    key: [u8; MAC_BYTES],
}

/// The folder of this user: in FLOWGATE_HOME, else in XDG_CACHE_HOME, else in `~/.cache`.
pub(super) fn folder_of_user() -> Option<PathBuf> {
    let base = ["FLOWGATE_HOME", "XDG_CACHE_HOME"]
        .iter()
        .find_map(|name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from))
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))?;
    Some(base.join("flowgate").join("compiled"))
}

impl Cache {
    /// Opens the folder, and makes it and its key where they are not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let key = read_or_make_key(&folder.join("key"))?;
        Ok(Cache { folder: folder.to_path_buf(), key })
    }

    /// The artifact of this name, if it is there and ours.
    pub(super) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.folder.join(name)).ok()?;
        let (mac, artifact) = bytes.split_first_chunk::<MAC_BYTES>()?;
        self.mac(name, artifact).verify_slice(mac).ok()?;
        bytes.drain(..MAC_BYTES);
        Some(bytes)
    }

    /// Keeps an artifact. Others see all of it or nothing.
    pub(super) fn put(&self, name: &str, artifact: &[u8]) -> io::Result<()> {
        let mac = self.mac(name, artifact).finalize().into_bytes();
        let temporary = self.folder.join(format!("{name}.{}.part", random_suffix()?));
        let written = create_new(&temporary)
            .and_then(|mut file| {
                file.write_all(&mac)?;
                file.write_all(artifact)
            })
            .and_then(|()| fs::rename(&temporary, self.folder.join(name)));
        if written.is_err() {
            // It may not even be there.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        self.forget_oldest()
    }

    fn mac(&self, name: &str, artifact: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(artifact);
        mac
    }

    fn forget_oldest(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name() != "key" {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        files.sort();
        for (_, path) in files.iter().take(files.len().saturating_sub(FILES_MAX)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn create_new(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn random_suffix() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// The key; made whole and then linked to its name, so that of two processes that start at once one makes it and both
/// read the same.
fn read_or_make_key(path: &Path) -> io::Result<[u8; MAC_BYTES]> {
    match read_key(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let mut key = [0; MAC_BYTES];
    getrandom::fill(&mut key).map_err(|e| io::Error::other(e.to_string()))?;
    let temporary = path.with_file_name(format!("key.{}.part", random_suffix()?));
    let mut file = create_new(&temporary)?;
    let linked = file.write_all(&key).and_then(|()| match fs::hard_link(&temporary, path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    fs::remove_file(&temporary)?;
    linked?;
    read_key(path)
}

fn read_key(path: &Path) -> io::Result<[u8; MAC_BYTES]> {
    let mut file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.mode() & 0o077 != 0 || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "{} can be read by others; remove it, and a new one is made",
            path.display()
        )));
    }
    let mut key = [0; MAC_BYTES];
    file.read_exact(&mut key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_kept_comes_back_also_in_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        Cache::open(folder.path()).unwrap().put("a", b"code").unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        assert_eq!(cache.get("a").as_deref(), Some(&b"code"[..]));
        assert_eq!(cache.get("b"), None);
    }

    #[test]
    fn a_file_that_was_touched_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        cache.put("a", b"code").unwrap();
        let path = folder.path().join("a");
        let whole = fs::read(&path).unwrap();
        for i in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[i] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert_eq!(cache.get("a"), None, "bit flipped in byte {i}");
            fs::write(&path, &whole[..i]).unwrap();
            assert_eq!(cache.get("a"), None, "cut at byte {i}");
        }
        fs::write(folder.path().join("b"), &whole).unwrap();
        assert_eq!(cache.get("b"), None, "a good file under another name");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Cache::open(folder.path()).unwrap());
        let key = folder.path().join("key");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Cache::open(folder.path()).is_err());
    }

    #[test]
    fn the_oldest_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        for i in 0..FILES_MAX + 3 {
            cache.put(&format!("{i}"), b"code").unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), FILES_MAX + 1);
    }
}
