//! What became of components, kept between runs: their machine code, or why they were refused.
//!
//! Loading machine code is loading code: every file carries an HMAC-SHA256 under a key that only this user can read, in a
//! folder that only this user can write ([`PrivateFolder`]).
//! File: 32 bytes of MAC over the file's name and the content, then the content. A file that is not right is as good
//! as none.
//!
//! S4: machine code is loaded only if its MAC proves that this user's Flowgate made it, from a folder that nobody else can write.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::private_folder::{PrivateFolder, Readable};

/// Files kept; the ones written longest ago go first.
const FILES_MAX: usize = 256;
/// Bytes of all files kept: a Python plugin has about 150 MiB of machine code.
const BYTES_MAX: u64 = 4 << 30;
const MAC_BYTES: usize = 32;
const KEY_FILE: &str = "key";

/// A folder of what became of components.
pub(super) struct Cache {
    folder: PrivateFolder,
    key: [u8; MAC_BYTES],
    files_max: usize,
    bytes_max: u64,
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
    ///
    /// # Errors
    /// As [`PrivateFolder::open`]; or the key is not one that only this user can have made and read.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let folder = PrivateFolder::open(folder)?;
        let key = read_or_make_key(&folder)?;
        Ok(Cache { folder, key, files_max: FILES_MAX, bytes_max: BYTES_MAX })
    }

    /// The content of this name, if it is there and ours.
    pub(super) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.folder.read(name, Readable::ByAnybody).ok()?.take(self.bytes_max).read_to_end(&mut bytes).ok()?;
        let (mac, content) = bytes.split_first_chunk::<MAC_BYTES>()?;
        self.mac(name, content).verify_slice(mac).ok()?;
        bytes.drain(..MAC_BYTES);
        Some(bytes)
    }

    /// Keeps a content. Others see all of it or nothing.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mac = self.mac(name, content).finalize().into_bytes();
        let temporary = format!("{name}.{}.part", random_suffix()?);
        let mut file = self.folder.create_new(&temporary)?;
        let written = file
            .write_all(&mac)
            .and_then(|()| file.write_all(content))
            .and_then(|()| self.folder.rename(&temporary, name));
        if written.is_err() {
            // What is left over goes with the oldest.
            let _ = self.folder.remove(temporary.as_ref());
        }
        written?;
        self.forget_oldest()
    }

    fn mac(&self, name: &str, content: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(content);
        mac
    }

    fn forget_oldest(&self) -> io::Result<()> {
        let mut files = self.folder.entries()?;
        files.retain(|file| file.name != KEY_FILE);
        files.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        let (mut count, mut bytes) = (0, 0_u64);
        for file in files {
            count += 1;
            bytes = bytes.saturating_add(file.bytes);
            if count > self.files_max || bytes > self.bytes_max {
                self.folder.remove(&file.name)?;
            }
        }
        Ok(())
    }
}

fn random_suffix() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// The key; made whole and then linked to its name, so that of two processes that start at once one makes it and both
/// read the same.
fn read_or_make_key(folder: &PrivateFolder) -> io::Result<[u8; MAC_BYTES]> {
    match read_key(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let mut key = [0; MAC_BYTES];
    getrandom::fill(&mut key).map_err(|e| io::Error::other(e.to_string()))?;
    let temporary = format!("{KEY_FILE}.{}.part", random_suffix()?);
    let mut file = folder.create_new(&temporary)?;
    let linked = file.write_all(&key).and_then(|()| match folder.link(&temporary, KEY_FILE) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    folder.remove(temporary.as_ref())?;
    linked?;
    read_key(folder)
}

/// Exactly the bytes that we write: the first ones of some other file of this user's are known to everybody.
fn read_key(folder: &PrivateFolder) -> io::Result<[u8; MAC_BYTES]> {
    let mut bytes = Vec::new();
    folder.read(KEY_FILE, Readable::ByUsAlone)?.take(MAC_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    bytes
        .try_into()
        .map_err(|_| io::Error::other(format!("`{KEY_FILE}` is not a key; remove it, and a new one is made")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

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
    fn a_key_that_is_a_link_or_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "-----BEGIN OPENSSH PRIVATE KEY-----\nxxxxxxxxxxxxxxxx").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let cache = folder.path().join("compiled");
        fs::create_dir(&cache).unwrap();
        symlink(&secret, cache.join("key")).unwrap();
        assert!(Cache::open(&cache).err().unwrap().to_string().contains("is a link"));
        fs::remove_file(cache.join("key")).unwrap();
        fs::hard_link(&secret, cache.join("key")).unwrap();
        assert!(Cache::open(&cache).err().unwrap().to_string().contains("is not a key"));
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

    #[test]
    fn the_oldest_go_too_when_there_are_too_many_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { bytes_max: 3 * (MAC_BYTES as u64 + 100), ..Cache::open(folder.path()).unwrap() };
        for name in ["a", "b", "c", "d"] {
            cache.put(name, &[0; 100]).unwrap();
        }
        let kept = ["a", "b", "c", "d"].map(|name| cache.get(name).is_some());
        assert_eq!(kept.iter().filter(|kept| **kept).count(), 3);
        assert!(kept[3], "the newest stays");
    }
}
