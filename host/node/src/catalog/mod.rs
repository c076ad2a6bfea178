//! The catalog: what a node knows of tenants, tokens, secrets, plugins and jobs, in one redb file.

mod records;
mod store;

pub(crate) use records::{
    EventRecord, JobRecord, OperationRecord, Pinned, PluginRecord, SecretRecord, Submission, SwapRecord, TenantRecord,
    TokenRecord, Want, key,
};
pub(crate) use store::Change;
pub(crate) use store::{Catalog, CatalogError, examine};
