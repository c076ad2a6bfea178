//! Tenants: to whom everything on a node belongs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::grants::Grants;
use crate::object;
use crate::quota::Quotas;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_ms: i64,
    /// What it may take.
    pub quotas: Quotas,
    /// What its jobs may touch.
    pub grants: Grants,
}

/// A request for a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name.
    pub name: String,
    /// What it may take; what is absent has its default.
    #[serde(default, deserialize_with = "object::of")]
    pub quotas: Quotas,
    /// What its jobs may touch; absent: nothing.
    #[serde(default, deserialize_with = "object::of")]
    pub grants: Grants,
}

/// A change of a tenant. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantChange {
    /// What it may take from now on; quotas that are not named stay. Running jobs have it from their next attempt on.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::or_null")]
    pub quotas: Option<Quotas>,
    /// What its jobs may touch from their next attempt on.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::or_null")]
    pub grants: Option<Grants>,
}

/// What a tenant takes of its quotas.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Jobs that run or restart.
    pub jobs: u64,
    /// Workers of those jobs.
    pub workers: u64,
    /// Memory that those jobs may take together.
    pub memory_bytes: u64,
    /// Memory that they take now: proportional set size.
    pub memory_used_bytes: u64,
    /// Processor time of their present attempts, in milliseconds.
    pub cpu_ms: u64,
    /// Plugin versions.
    pub plugins: u64,
    /// Bytes of their components.
    pub plugin_bytes: u64,
    /// Secrets.
    pub secrets: u64,
    /// Bytes of checkpoints and savepoints in the node's own stores.
    pub checkpoint_bytes: u64,
    /// Files of a job for state over its memory, in bytes: of the job where they are largest.
    pub spill_bytes: u64,
    /// Memory of a job's plugin instances, in bytes: of the job where it is most.
    pub instances_memory_bytes: u64,
    /// The longest call of a function in the present attempts, in milliseconds: an upper bound, at most twice that time.
    pub call_ms: u64,
    /// Seconds a minute that failed calls of a job cost, over the last seconds: of the job where it is most.
    pub failed_call_s_per_min: f64,
    /// Timers of a job that fire a second, over the last seconds: of the job where it is most.
    pub timers_per_s: u64,
    /// Rows that a function has emitted in its main output for each row or timer that it took, in the present attempts, rounded up: of the
    /// transform or process function where it is most.
    pub rows_out_per_row: u64,
    /// Dead letters of a job a second, over the last seconds: of the job where there are most.
    pub dead_letters_per_s: u64,
}
