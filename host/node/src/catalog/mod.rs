//! The catalog: what a node knows of tenants, tokens, secrets, plugins and jobs, in one redb file.

mod records;
mod store;

pub(crate) use records::{
    EventRecord, JobRecord, PluginRecord, Pinned, SecretRecord, Submission, SwapRecord, TenantRecord, TokenRecord, Want, key,
};
pub use store::{Catalog, CatalogError};
pub(crate) use store::{Change, View};
