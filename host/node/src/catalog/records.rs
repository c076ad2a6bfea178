//! The records of the catalog. A field that is added later has a default, so that older records are read.

use flowgate_api::grants::Grants;
use flowgate_api::job::{Event, JobError, Language, Phase, UsedPlugin};
use flowgate_api::operation::Operation;
use flowgate_api::plugin::PluginVersion;
use flowgate_api::quota::Quotas;
use flowgate_api::swap::Swap;
use flowgate_api::token::Role;
use flowgate_connect::touches::Touches;
use flowgate_worker::assignment::Begins;
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use super::store::{CatalogError, Change, Record};

/// Keys of records: names with `/` behind each, which no name contains.
pub(crate) mod key {
    /// Returns the beginning of the keys of what belongs to these names.
    pub(crate) fn of(names: &[&str]) -> String {
        names.iter().map(|name| format!("{name}/")).collect()
    }

    /// Returns the key of a name within a tenant.
    pub(crate) fn within(tenant: &str, name: &str) -> String {
        format!("{tenant}/{name}")
    }

    /// Returns the key of a number of a name within a tenant; numbers sort.
    pub(crate) fn numbered(tenant: &str, name: &str, number: u64) -> String {
        of(&[tenant, name]) + &ordered(number)
    }

    /// Returns a number such that its text sorts as it does.
    pub(crate) fn ordered(number: u64) -> String {
        format!("{number:020}")
    }
}

macro_rules! record {
    ($record:ty, $table:literal) => {
        impl Record for $record {
            const TABLE: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new($table);
        }
    };
}

/// A tenant, by its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TenantRecord {
    pub(crate) created_ms: i64,
    #[serde(default)]
    pub(crate) quotas: Quotas,
    #[serde(default)]
    pub(crate) grants: Grants,
}
record!(TenantRecord, "tenants");

/// A token, by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    /// Absent: of the node itself.
    pub(crate) tenant: Option<String>,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// SHA-256 of its text, in hexadecimal. Its text has 256 random bits: a slow hash would add nothing.
    pub(crate) hash: String,
    pub(crate) created_ms: i64,
    pub(crate) expires_ms: Option<i64>,
}
record!(TokenRecord, "tokens");

/// A secret, by tenant and name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecretRecord {
    pub(crate) set_ms: i64,
    /// The encrypted value, as base64.
    pub(crate) sealed: String,
}
record!(SecretRecord, "secrets");

/// A version of a plugin, by tenant, name and number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PluginRecord(pub(crate) PluginVersion);
record!(PluginRecord, "plugins");

/// What somebody wants of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Want {
    /// That it runs.
    Runs,
    /// That it stops: rows in flight reach their sinks.
    Stops {
        /// Open windows emit their results before.
        drain: bool,
        /// The name of the savepoint with which it stops.
        savepoint: Option<String>,
    },
    /// That it ends at once.
    Ends,
}

/// The version of a plugin that an operator, or all that name it, run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    /// The operator; absent: all that have no entry of their own.
    pub(crate) operator: Option<String>,
    /// The plugin as the job file names it.
    pub(crate) plugin: String,
    /// Its name in the registry.
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) digest: String,
}

impl Pinned {
    /// Returns the version as people name it.
    pub(crate) fn named(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Returns what is shown of the pin of an operator; `None` if it is of all.
    pub(crate) fn shown(self) -> Option<UsedPlugin> {
        let version = self.named();
        Some(UsedPlugin { operator: self.operator?, plugin: self.plugin, version, digest: self.digest })
    }
}

/// A job, by tenant and name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    /// Tells this job from an earlier one of the same name.
    pub(crate) id: u64,
    pub(crate) document: String,
    pub(crate) language: Language,
    pub(crate) parallelism: Option<u32>,
    pub(crate) submitted_ms: i64,
    pub(crate) submitted_by: String,
    pub(crate) want: Want,
    /// What it was doing when this was written.
    pub(crate) phase: Phase,
    /// The number of the last attempt; 0: there was none.
    pub(crate) attempt: u64,
    pub(crate) attempt_ms: Option<i64>,
    pub(crate) restarts: u64,
    /// Why the last attempt ended by itself.
    pub(crate) failure: Option<JobError>,
    /// Workers, by the last check.
    pub(crate) workers: u32,
    /// The versions with which its operators run, one for each operator and plugin.
    pub(crate) pinned: Vec<Pinned>,
    pub(crate) picture: String,
    /// What it touches outside, by the last check.
    #[serde(default)]
    pub(crate) touches: Touches,
    /// Its checkpoint store, by the last check: an address, or a path relative to the job's files. Absent in older records.
    #[serde(default)]
    pub(crate) store: Option<String>,
    /// Where the next attempt begins, if not at the job's own last checkpoint.
    #[serde(default)]
    pub(crate) from: Option<Begins>,
}
record!(JobRecord, "jobs");

/// An event of a job, by tenant, job and number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventRecord(pub(crate) Event);
record!(EventRecord, "history");

/// A swap of a job, by tenant, job and number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SwapRecord {
    pub(crate) swap: Swap,
    /// The version before it.
    pub(crate) before: Pinned,
    /// The version behind it.
    pub(crate) behind: Pinned,
}
record!(SwapRecord, "swaps");

impl SwapRecord {
    /// Returns the number of another swap of a job. Of those before it, `kept` stay.
    pub(crate) fn next(change: &Change, tenant: &str, job: &str, kept: u64) -> Result<u64, CatalogError> {
        let number = change.next_number(&sequence(tenant, job))?;
        if let Some(old) = number.checked_sub(kept.saturating_add(1)) {
            change.remove_until::<SwapRecord>(&key::of(&[tenant, job]), &key::ordered(old))?;
        }
        Ok(number)
    }

    /// Removes all swaps of a job that is deleted.
    pub(crate) fn remove_of(change: &Change, tenant: &str, job: &str) -> Result<(), CatalogError> {
        change.remove_all::<SwapRecord>(&key::of(&[tenant, job]))?;
        change.forget_numbers(&sequence(tenant, job))
    }

    /// Puts the record in the place of the one that is there.
    pub(crate) fn put(&self, change: &Change, tenant: &str, job: &str) -> Result<(), CatalogError> {
        change.put(&key::numbered(tenant, job, self.swap.number), self)
    }
}

/// Returns the name of the sequence of a job's swaps.
fn sequence(tenant: &str, job: &str) -> String {
    format!("swaps/{tenant}/{job}")
}

/// An operation, by tenant and id: as it began, or as it has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OperationRecord(pub(crate) Operation);
record!(OperationRecord, "operations");

/// A submission with a key of its client, by tenant and key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Submission {
    pub(crate) job: String,
    pub(crate) id: u64,
    /// SHA-256 of the request.
    pub(crate) digest: String,
    pub(crate) at_ms: i64,
}
record!(Submission, "submissions");
