//! Quotas and grants as flags.

use clap::Args;
use flowgate_api::grants::Grants;
use flowgate_api::quota::{Quotas, TABLE};
use flowgate_base::quantity::Bytes;
use serde_json::{Map, Value};
use strsim::levenshtein;

use crate::error::CommandError;
use flowgate_base::error::{Error, Result};

/// What a tenant may take.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct QuotaFlags {
    /// Jobs that run at once: the quota `jobs`.
    #[arg(long, value_name = "N", help_heading = "Quotas")]
    jobs: Option<u64>,
    /// Memory of all jobs that run: the quota `memory_bytes`.
    #[arg(long, value_name = "BYTES", help_heading = "Quotas")]
    memory: Option<Bytes>,
    /// Processor cores of one job: the quota `cpu_cores`.
    #[arg(long, value_name = "CORES", help_heading = "Quotas")]
    cpu: Option<f64>,
    /// Files with state of one job: the quota `spill_bytes`.
    #[arg(long, value_name = "BYTES", help_heading = "Quotas")]
    state: Option<Bytes>,
    /// Any quota; `flowgate tenant show` lists them. May be used several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = quota, help_heading = "Quotas")]
    quota: Vec<(String, f64)>,
}

/// What the jobs of a tenant may touch. Each flag may be used several times.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct GrantFlags {
    /// Files of the node's machine that jobs may read: an absolute path, or `/data/acme/**` for all in a folder.
    #[arg(long, value_name = "PATH", help_heading = "Grants")]
    grant_read: Vec<String>,
    /// Folders of the node's machine in which jobs may write, as `/data/acme/out/**`.
    #[arg(long, value_name = "PATH", help_heading = "Grants")]
    grant_write: Vec<String>,
    /// Targets that jobs may connect to, as `api.example.com:443` or `*.example.com:443`.
    #[arg(long, value_name = "HOST:PORT", help_heading = "Grants")]
    grant_connect: Vec<String>,
    /// Connectors that jobs may use, as `file` or `webhook`.
    #[arg(long, value_name = "CONNECTOR", help_heading = "Grants")]
    grant_connector: Vec<String>,
}

/// Reads `NAME=VALUE`; the value of a quota in bytes may have a unit.
fn quota(text: &str) -> std::result::Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, as in jobs=20 or plugin_bytes=2GiB")?;
    let Some(about) = TABLE.iter().find(|about| about.name == name) else {
        let near = TABLE.iter().min_by_key(|about| levenshtein(about.name, name));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{}`?", near.name));
        return Err(format!("there is no quota `{name}`{near}"));
    };
    let number = match about.unit {
        "bytes" => value.parse::<Bytes>()?.0 as f64,
        unit => value.parse().map_err(|_| format!("`{name}` is a number of {unit}"))?,
    };
    Quotas::default().set(name, number)?;
    Ok((name.into(), number))
}

impl QuotaFlags {
    /// Sets what the flags name.
    ///
    /// # Errors
    /// A value is none that the quota can have.
    pub(super) fn apply(&self, quotas: &mut Quotas) -> Result<()> {
        for (name, value) in self.named() {
            quotas.set(name, value).map_err(|what| CommandError::Arguments(format!("the quota `{name}`: {what}")))?;
        }
        Ok(())
    }

    /// Returns what the flags name, as the request for a tenant has it: for the rest, the node has defaults of its own.
    ///
    /// # Errors
    /// As for [`QuotaFlags::apply`].
    pub(super) fn request(&self) -> Result<Map<String, Value>> {
        let mut quotas = Quotas::default();
        self.apply(&mut quotas)?;
        let all = serde_json::to_value(quotas).map_err(|e| Error::internal(e.to_string()))?;
        Ok(self.named().map(|(name, _)| (name.to_string(), all[name].clone())).collect())
    }

    fn named(&self) -> impl Iterator<Item = (&str, f64)> {
        let short = [
            ("jobs", self.jobs.map(|n| n as f64)),
            ("memory_bytes", self.memory.map(|bytes| bytes.0 as f64)),
            ("cpu_cores", self.cpu),
            ("spill_bytes", self.state.map(|bytes| bytes.0 as f64)),
        ];
        let short = short.into_iter().filter_map(|(name, value)| Some((name, value?)));
        short.chain(self.quota.iter().map(|(name, value)| (name.as_str(), *value)))
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_none()
            && self.memory.is_none()
            && self.cpu.is_none()
            && self.state.is_none()
            && self.quota.is_empty()
    }
}

impl GrantFlags {
    /// Adds what the flags name.
    pub(super) fn apply(&self, grants: &mut Grants) {
        let add = |to: &mut Vec<String>, flags: &[String]| {
            for flag in flags {
                if !to.contains(flag) {
                    to.push(flag.clone());
                }
            }
        };
        add(&mut grants.read, &self.grant_read);
        add(&mut grants.write, &self.grant_write);
        add(&mut grants.connect, &self.grant_connect);
        add(&mut grants.connectors, &self.grant_connector);
    }

    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        let all = [&self.grant_read, &self.grant_write, &self.grant_connect, &self.grant_connector];
        all.iter().all(|flags| flags.is_empty())
    }
}

/// Removes grants by their text, whatever they grant.
///
/// # Errors
/// There is no such grant.
pub(super) fn revoke(grants: &mut Grants, texts: &[String]) -> Result<()> {
    for text in texts {
        let lists = [&mut grants.read, &mut grants.write, &mut grants.connect, &mut grants.connectors];
        let mut found = false;
        for list in lists {
            let before = list.len();
            list.retain(|grant| grant != text);
            found |= list.len() < before;
        }
        if !found {
            return Err(CommandError::Arguments(format!("`{text}` is not granted")).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_names_of_quotas() {
        let flags = QuotaFlags {
            jobs: Some(3),
            memory: Some(Bytes(2 << 30)),
            cpu: Some(1.5),
            state: Some(Bytes(10)),
            quota: vec![quota("plugin_bytes=2MiB").unwrap(), quota("history=7").unwrap()],
        };
        let mut quotas = Quotas::default();
        flags.apply(&mut quotas).unwrap();
        let wanted = Quotas {
            jobs: 3,
            memory_bytes: 2 << 30,
            cpu_cores: 1.5,
            spill_bytes: 10,
            plugin_bytes: 2 << 20,
            history: 7,
            ..Quotas::default()
        };
        assert_eq!(quotas, wanted);
        assert!(!flags.is_empty() && QuotaFlags::default().is_empty());
        let request = Value::Object(flags.request().unwrap());
        let named = serde_json::json!({
            "jobs": 3, "memory_bytes": 2u64 << 30, "cpu_cores": 1.5, "spill_bytes": 10, "plugin_bytes": 2 << 20, "history": 7,
        });
        assert_eq!(request, named, "no others: the node has defaults");
    }

    #[test]
    fn a_wrong_quota_is_named() {
        assert!(quota("job=3").unwrap_err().contains("did you mean `jobs`?"));
        assert!(quota("jobs=2GiB").unwrap_err().contains("a number of jobs"));
        assert!(quota("plugin_bytes=x").unwrap_err().contains("number of bytes"));
        assert!(quota("jobs").unwrap_err().contains("NAME=VALUE"));
        assert!(quota("jobs=-1").is_err() && quota("cpu_cores=nan").is_err());
    }

    #[test]
    fn grants_are_added_once_and_revoked_by_their_text() {
        let flags = GrantFlags {
            grant_read: vec!["/data/**".into()],
            grant_connector: vec!["file".into()],
            ..GrantFlags::default()
        };
        let mut grants = Grants { read: vec!["/data/**".into()], ..Grants::default() };
        flags.apply(&mut grants);
        assert_eq!((grants.read.len(), grants.connectors.as_slice()), (1, &["file".to_string()][..]));
        revoke(&mut grants, &["/data/**".into()]).unwrap();
        assert!(grants.read.is_empty());
        assert!(revoke(&mut grants, &["/data/**".into()]).is_err());
    }
}
