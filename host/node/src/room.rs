//! Whether a tenant has room for more: quotas that are sums over its jobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use flowgate_base::clock;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::task::block_in_place;

use crate::api::refusal::{Answer, Refusal};
use crate::catalog::{JobRecord, key};
use crate::node::Node;

/// The turns of tenants in which they are given room: two requests at once would both be given the last of it.
#[derive(Default)]
pub(crate) struct Admissions(Mutex<HashMap<String, Arc<Turn<()>>>>);

impl Node {
    /// Waits for the tenant's turn. Until it is dropped, no other job of the tenant starts.
    pub(crate) async fn admission(&self, tenant: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.admissions.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(tenant.into()).or_default())
        };
        turn.lock_owned().await
    }

    /// Whether another job may run.
    ///
    /// # Errors
    /// A quota is used up.
    pub(crate) fn room_for_job(&self, tenant: &str, workers: u64) -> Answer<()> {
        let quotas = self.tenant(tenant)?.quotas;
        let active = self.jobs_of(Some(tenant)).iter().filter(|job| job.state().machine.is_active()).count() as u64;
        if active >= quotas.jobs {
            return Err(Refusal::quota("jobs", quotas.jobs, "stop a job first"));
        }
        if (active + 1).saturating_mul(quotas.job_memory_bytes) > quotas.memory_bytes {
            let what = format!("a job reserves {} bytes, and {active} run", quotas.job_memory_bytes);
            return Err(Refusal::quota("memory_bytes", quotas.memory_bytes, &what));
        }
        self.room_for_workers(tenant, workers)?;
        self.room_for_checkpoints(tenant)
    }

    /// Whether more workers may run.
    ///
    /// # Errors
    /// A quota is used up.
    pub(crate) fn room_for_workers(&self, tenant: &str, more: u64) -> Answer<()> {
        let quotas = self.tenant(tenant)?.quotas;
        let records = self.catalog.read(|view| view.all::<JobRecord>(&key::of(&[tenant])))?;
        let is_active = |name: &str| self.find_job(tenant, name).is_some_and(|job| job.state().machine.is_active());
        let running = records.iter().filter(|(name, _)| is_active(name)).map(|(_, record)| u64::from(record.workers));
        let running: u64 = running.sum();
        match running.saturating_add(more) > quotas.workers {
            true => {
                Err(Refusal::quota("workers", quotas.workers, &format!("{running} run, and {more} more are needed")))
            }
            false => Ok(()),
        }
    }

    /// Whether checkpoints may take more room: measured now, because what was right some seconds ago may be far too little.
    ///
    /// # Errors
    /// The quota is used up.
    pub(crate) fn room_for_checkpoints(&self, tenant: &str) -> Answer<()> {
        let quotas = self.tenant(tenant)?.quotas;
        let jobs = self.jobs_of(Some(tenant));
        let now = clock::monotonic();
        let stores = jobs.iter().map(|job| self.sizes.measured(&self.settings.data, tenant, &job.name, now));
        let bytes: u64 = block_in_place(|| stores.sum());
        match bytes > quotas.checkpoint_bytes {
            true => Err(Refusal::quota(
                "checkpoint_bytes",
                quotas.checkpoint_bytes,
                "delete jobs or savepoints that are not needed",
            )),
            false => Ok(()),
        }
    }
}
