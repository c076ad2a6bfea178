//! The policy of a tenant: what its jobs may touch.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::address::special;
use super::path_pattern::PathPattern;
use super::target_pattern::TargetPattern;
use crate::touches::{Place, Target};

/// The connectors that touch nothing outside: every job may use them. `tap` is put into jobs by Flowgate itself.
const PURE: [&str; 4] = ["generator", "nexmark", "blackhole", "tap"];

/// What the jobs of a tenant may touch. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Names of connectors, or `*`. Those that touch nothing outside need no grant.
    pub connectors: Vec<String>,
    /// Files that may be read. What may be written may be read, too.
    pub read: Vec<PathPattern>,
    /// Files that may be written, created and removed. Folders only: a file is written beside its place first.
    pub write: Vec<PathPattern>,
    /// Hosts and ports that may be connected to. A name does not grant an address that is not of the public Internet: that needs a
    /// pattern of its own.
    pub connect: Vec<TargetPattern>,
}

/// What a policy does not grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// A sentence without its full stop.
    pub message: String,
    /// What would grant it, for whoever administers the tenant.
    pub grant: String,
}

impl Policy {
    /// Whether jobs may use a connector.
    ///
    /// # Errors
    /// They may not.
    pub fn connector(&self, name: &str) -> Result<(), Refused> {
        if PURE.contains(&name) || self.connectors.iter().any(|granted| granted == "*" || granted == name) {
            return Ok(());
        }
        Err(Refused {
            message: format!("the policy of this tenant grants no connector `{name}`"),
            grant: format!("`connectors: [{name}]`"),
        })
    }

    /// Returns the files and folders that may be read.
    pub fn readable(&self) -> Vec<PathBuf> {
        self.read.iter().chain(&self.write).map(|pattern| pattern.path().to_path_buf()).collect()
    }

    /// Whether jobs may read there. Looks at the disk: symbolic links that are there must not lead out either. What becomes a link
    /// later, the kernel refuses.
    ///
    /// # Errors
    /// They may not.
    pub fn read(&self, place: &Place) -> Result<(), Refused> {
        covered(place, self.read.iter().chain(&self.write), "reading", "read")
    }

    /// Whether jobs may write there, as [`Policy::read`] does.
    ///
    /// # Errors
    /// They may not.
    pub fn write(&self, place: &Place) -> Result<(), Refused> {
        covered(place, self.write.iter().filter(|granted| granted.is_folder()), "writing", "write")
    }

    /// Whether jobs may connect to a target, by its name. The addresses that it leads to are judged when they are known:
    /// [`Policy::address`].
    ///
    /// # Errors
    /// They may not.
    pub fn connect(&self, target: &Target) -> Result<(), Refused> {
        if self.connect.iter().any(|granted| granted.covers(target)) {
            return Ok(());
        }
        Err(Refused {
            message: format!("the policy of this tenant grants no connection to {target}"),
            grant: format!("`connect: [\"{target}\"]`"),
        })
    }

    /// Whether jobs may connect to an address that a granted name leads to.
    ///
    /// # Errors
    /// It is no address of the public Internet, and no pattern grants it as itself.
    pub fn address(&self, address: SocketAddr) -> Result<(), Refused> {
        let granted = || self.connect.iter().any(|granted| granted.covers_address(address.ip(), address.port()));
        match special(address.ip()) {
            Some(what) if !granted() => Err(Refused {
                message: format!("the policy of this tenant does not grant the address {address} ({what})"),
                grant: format!("`connect: [\"{address}\"]`"),
            }),
            _ => Ok(()),
        }
    }
}

fn covered<'a>(
    place: &Place,
    granted: impl Iterator<Item = &'a PathPattern> + Clone,
    verb: &str,
    field: &str,
) -> Result<(), Refused> {
    let by_text = granted.clone().any(|granted| granted.covers(place));
    // What is not granted by its text is not looked at: whether it exists is nobody's business.
    let leads = if by_text {
        let resolved = match place {
            Place::File(path) => Place::File(crate::place::resolved(path)),
            Place::Within(path) => Place::Within(crate::place::resolved(path)),
        };
        if granted.map(PathPattern::resolved).any(|granted| granted.covers(&resolved)) {
            return Ok(());
        }
        ": a symbolic link leads out of what is granted"
    } else {
        ""
    };
    let wanted = match (field, place) {
        ("write", Place::File(path)) => Place::Within(path.parent().unwrap_or(path).into()),
        _ => place.clone(),
    };
    Err(Refused {
        message: format!("the policy of this tenant does not grant {verb} {place}{leads}"),
        grant: format!("`{field}: [\"{wanted}\"]`"),
    })
}
