//! The login: which node, with which token. A file in the user's folder for settings, which nobody else can read.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::CommandError;
use flowgate_base::error::{Error, Result};

/// Maximum bytes of the file.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    /// The address of the node, without a slash at its end.
    pub(super) url: String,
    /// The token.
    pub(super) token: String,
    /// The tenant that commands are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
    /// The file with the certificates that sign the node's, where those of the system do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<PathBuf>,
}

/// The token is in no message.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("url", &self.url).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// The place of the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginFile {
    path: PathBuf,
}

impl LoginFile {
    /// Returns the place for this environment: `flowgate/node.json` in XDG_CONFIG_HOME, or in `~/.config`.
    ///
    /// # Errors
    /// Neither XDG_CONFIG_HOME nor HOME is set.
    pub(crate) fn of(env: &dyn Fn(&str) -> Option<String>) -> Result<LoginFile> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // A relative path is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest
        let xdg = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let folder = xdg.or_else(|| set("HOME").map(|home| home.join(".config")));
        let folder = folder.ok_or_else(|| {
            CommandError::Arguments("there is no place for a login: set HOME or XDG_CONFIG_HOME".into())
        })?;
        Ok(LoginFile { path: folder.join("flowgate").join("node.json") })
    }

    /// Returns where it is.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the login, if there is one.
    ///
    /// # Errors
    /// It cannot be read, is no login, or others could have read it.
    pub(crate) fn read(&self) -> Result<Option<Login>> {
        let shown = self.path.display();
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(Error::io(format_args!("cannot read the login {shown}"), &e)),
        };
        let about = file.metadata().map_err(|e| Error::io(format_args!("cannot read the login {shown}"), &e))?;
        if about.permissions().mode() & 0o077 != 0 {
            let message = format!(
                "other users can read the login {shown}: revoke its token, log in again, and run `chmod 600 {shown}`"
            );
            return Err(CommandError::Arguments(message).into());
        }
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text)
            .map_err(|e| Error::io(format_args!("cannot read the login {shown}"), &e))?;
        let login = serde_json::from_str(&text)
            .map_err(|e| CommandError::Arguments(format!("{shown} is no login: {e}; `flowgate logout` removes it")))?;
        Ok(Some(login))
    }

    /// Writes the login in the place of the one before.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn write(&self, login: &Login) -> Result<()> {
        let failed = |e: &io::Error| Error::io(format_args!("cannot write the login {}", self.path.display()), e);
        let text = serde_json::to_string_pretty(login).map_err(|e| Error::internal(e.to_string()))?;
        if let Some(folder) = self.path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| failed(&e))?;
        }
        // A file of its own, so that a login is never half written, and never readable by others.
        let new = self.path.with_extension(format!("json.{}", std::process::id()));
        let written = (|| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(format!("{text}\n").as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &self.path)
        })();
        written.map_err(|e| {
            // What is left of it has a token in it.
            let _ = fs::remove_file(&new);
            failed(&e)
        })
    }

    /// Removes the login. Returns whether there was one.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn remove(&self) -> Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(e) => Err(Error::io(format_args!("cannot remove the login {}", self.path.display()), &e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login { url: "http://127.0.0.1:7070".into(), token: "fg_a_b".into(), tenant: Some("acme".into()), ca: None }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_login_is_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = LoginFile { path: folder.path().join("flowgate/node.json") };
        assert_eq!(file.read(), Ok(None));
        file.write(&login()).unwrap();
        file.write(&Login { tenant: None, ..login() }).unwrap();
        assert_eq!(file.read(), Ok(Some(Login { tenant: None, ..login() })));
        assert_eq!((mode(file.path()), mode(file.path().parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(file.path().parent().unwrap()).unwrap().count(), 1, "nothing else is left");
        assert_eq!((file.remove(), file.remove()), (Ok(true), Ok(false)));
    }

    #[test]
    fn a_login_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = LoginFile { path: folder.path().join("node.json") };
        file.write(&login()).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        let message = file.read().unwrap_err().message;
        assert!(message.contains("chmod 600") && !message.contains("fg_a_b"), "{message}");
    }

    #[test]
    fn the_place_follows_the_environment() {
        let of = |vars: &[(&str, &str)]| {
            let env = |name: &str| vars.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_string());
            LoginFile::of(&env).map(|file| file.path)
        };
        assert_eq!(of(&[("HOME", "/h")]), Ok("/h/.config/flowgate/node.json".into()));
        assert_eq!(of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), Ok("/x/flowgate/node.json".into()));
        assert_eq!(of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]), Ok("/h/.config/flowgate/node.json".into()));
        assert!(of(&[("HOME", "")]).is_err());
    }

    #[test]
    fn a_token_is_in_no_message() {
        assert!(!format!("{:?}", login()).contains("fg_a_b"));
        let folder = tempfile::tempdir().unwrap();
        let file = LoginFile { path: folder.path().join("node.json") };
        file.write(&login()).unwrap();
        fs::write(file.path(), r#"{"url": "x", "token": 7, "fg_a_b": 1"#).unwrap();
        assert!(!file.read().unwrap_err().message.contains("fg_a_b"));
    }
}
