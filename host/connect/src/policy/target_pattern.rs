//! Patterns of hosts and ports.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::address::plain;
use super::path_pattern::WrongPattern;
use crate::touches::Target;

/// `hooks.example.com:443`, `*.example.com:443`, `*:443`, `127.0.0.1:8080`, `10.0.0.0/8:*`, `[::1]:8080`, `s3://bucket:*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetPattern {
    /// `None`: http and https.
    scheme: Option<String>,
    host: HostPattern,
    /// `None`: every port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    /// Every host of the public Internet, by name or by address.
    Any,
    /// This name.
    Name(String),
    /// The names below this one: `.example.com`.
    Below(String),
    /// The addresses whose first bits are these.
    Range(IpAddr, u8),
}

impl TargetPattern {
    /// Whether a target is granted by its name, or as the address that it is.
    pub fn covers(&self, target: &Target) -> bool {
        let scheme = match &self.scheme {
            Some(scheme) => *scheme == target.scheme,
            None => matches!(target.scheme.as_str(), "http" | "https"),
        };
        let host = match (&self.host, target.host.parse::<IpAddr>()) {
            (HostPattern::Any, Ok(address)) => super::address::special(address).is_none(),
            (HostPattern::Any, Err(_)) => true,
            (HostPattern::Name(name), Err(_)) => *name == target.host,
            (HostPattern::Below(name), Err(_)) => target.host.len() > name.len() && target.host.ends_with(name),
            (HostPattern::Range(..), Ok(address)) => self.covers_address(address, target.port),
            (HostPattern::Name(_) | HostPattern::Below(_), Ok(_)) | (HostPattern::Range(..), Err(_)) => false,
        };
        scheme && host && self.covers_port(target.port)
    }

    /// Whether an address is granted as itself, not by a name that leads to it.
    pub(super) fn covers_address(&self, address: IpAddr, port: u16) -> bool {
        let HostPattern::Range(first, bits) = &self.host else { return false };
        let same = match (first, plain(address)) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                u32::from(*first).checked_shr(32 - u32::from(*bits)).unwrap_or(0)
                    == u32::from(address).checked_shr(32 - u32::from(*bits)).unwrap_or(0)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                u128::from(*first).checked_shr(128 - u32::from(*bits)).unwrap_or(0)
                    == u128::from(address).checked_shr(128 - u32::from(*bits)).unwrap_or(0)
            }
            _ => false,
        };
        same && self.covers_port(port)
    }

    fn covers_port(&self, port: u16) -> bool {
        self.port.is_none_or(|granted| granted == port)
    }
}

impl TryFrom<String> for TargetPattern {
    type Error = WrongPattern;

    fn try_from(pattern: String) -> Result<Self, WrongPattern> {
        let wrong = |why| WrongPattern { pattern: pattern.clone(), why };
        let (scheme, rest) = match pattern.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, pattern.as_str()),
        };
        if scheme.as_ref().is_some_and(|scheme| scheme.is_empty()) {
            return Err(wrong("it has an empty scheme; write `s3://bucket:*`"));
        }
        let (host, port) =
            rest.rsplit_once(':').ok_or_else(|| wrong("it has no port; write `host:443` or `host:*`"))?;
        let port = match port {
            "*" => None,
            port => Some(port.parse().map_err(|_| wrong("its port is no number from 0 to 65535, nor `*`"))?),
        };
        let host = host_pattern(host).map_err(wrong)?;
        Ok(TargetPattern { scheme, host, port })
    }
}

fn host_pattern(host: &str) -> Result<HostPattern, &'static str> {
    if host == "*" {
        return Ok(HostPattern::Any);
    }
    let (address, bits) = match host.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| "its range has no number of bits")?)),
        None => (host, None),
    };
    let bracketed = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let parsed = match bracketed {
        Some(inner) => {
            Some(IpAddr::V6(inner.parse::<Ipv6Addr>().map_err(|_| "it has no IPv6 address in its brackets")?))
        }
        None if address.contains(':') => return Err("an IPv6 address stands in brackets: `[::1]:8080`"),
        None => address.parse().ok(),
    };
    if let Some(address) = parsed {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        return match bits <= most {
            true => Ok(HostPattern::Range(address, bits)),
            false => Err("its range has more bits than an address"),
        };
    }
    if bits.is_some() {
        return Err("a range begins with an address: `10.0.0.0/8:443`");
    }
    let host = host.to_ascii_lowercase();
    let is_name = |name: &str| {
        let fits = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        name.split('.').all(fits)
    };
    match host.strip_prefix("*.") {
        Some(parent) if is_name(parent) => Ok(HostPattern::Below(format!(".{parent}"))),
        None if is_name(&host) => Ok(HostPattern::Name(host)),
        _ => Err("a host is a name, an address, or `*.` and a name"),
    }
}

impl From<TargetPattern> for String {
    fn from(pattern: TargetPattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for TargetPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scheme.iter().try_for_each(|scheme| write!(f, "{scheme}://"))?;
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Name(name) => f.write_str(name)?,
            HostPattern::Below(name) => write!(f, "*{name}")?,
            HostPattern::Range(address, bits) => {
                match address {
                    IpAddr::V4(address) => write!(f, "{address}")?,
                    IpAddr::V6(address) => write!(f, "[{address}]")?,
                }
                if *bits < if address.is_ipv4() { 32 } else { 128 } {
                    write!(f, "/{bits}")?;
                }
            }
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}
