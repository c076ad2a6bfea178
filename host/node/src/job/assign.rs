//! What a worker process is told about its job.

use std::path::PathBuf;

use flowgate_api::grants::Grants;
use flowgate_api::job::Language;
use flowgate_api::problem::Code;
use flowgate_api::quota::Quotas;
use flowgate_base::secret::{Secret, Secrets};
use flowgate_connect::policy::Policy;
use flowgate_connect::touches::Touches;
use flowgate_worker::assignment::{
    AssignedPlugin, Assignment, Begins, DocumentLanguage, JobDocument, Level, Task, VERSION,
};
use flowgate_worker::limits::WorkerLimits;

use super::folder::{JobFolder, hidden_of_job};
use crate::api::refusal::{Answer, Refusal};
use crate::catalog::{JobRecord, Pinned, SecretRecord, key};
use crate::node::Node;

/// A document on its way to a worker process.
#[derive(Debug, Clone)]
pub(crate) struct Assigned<'a> {
    pub(crate) tenant: &'a str,
    /// The job's name; for a new job, which has none that is known, a name that stands for it.
    pub(crate) job: &'a str,
    pub(crate) document: &'a str,
    pub(crate) language: Language,
    pub(crate) parallelism: Option<u32>,
    pub(crate) pinned: &'a [Pinned],
    /// Workers, where they are known.
    pub(crate) workers: u32,
    /// What it touches outside, where that is known.
    pub(crate) touches: Touches,
}

impl<'a> Assigned<'a> {
    /// A job as it is in the catalog.
    pub(crate) fn of(tenant: &'a str, job: &'a str, record: &'a JobRecord) -> Assigned<'a> {
        Assigned {
            tenant,
            job,
            document: &record.document,
            language: record.language,
            parallelism: record.parallelism,
            pinned: &record.pinned,
            workers: record.workers,
            touches: record.touches.clone(),
        }
    }

    /// Returns the assignment.
    ///
    /// # Errors
    /// The catalog cannot be read, or a secret cannot be decrypted.
    pub(crate) fn assignment(&self, node: &Node, task: Task, attempt: u64, beginning: Begins) -> Answer<Assignment> {
        let tenant = node.tenant(self.tenant)?;
        let folder = JobFolder::of(&node.settings.data, self.tenant, self.job);
        let (name, language) = match self.language {
            Language::Yaml => ("yaml", DocumentLanguage::Yaml),
            Language::Toml => ("toml", DocumentLanguage::Toml),
            Language::Json => ("json", DocumentLanguage::Json),
        };
        let data = node.settings.data_paths();
        let hidden = data.iter().flat_map(|data| hidden_of_job(data, self.tenant, self.job));
        Ok(Assignment {
            version: VERSION,
            task,
            tenant: self.tenant.into(),
            job: self.job.into(),
            attempt,
            document: JobDocument { name: format!("job.{name}"), text: self.document.into(), language },
            plugins: self.pinned.iter().map(|pinned| assigned(node, self.tenant, pinned)).collect(),
            pending: None,
            secrets: self.secrets(node)?,
            folder: folder.attempt(attempt),
            socket_folder: Some(node.settings.sockets()),
            files: folder.files(),
            checkpoint_store: folder.checkpoints().display().to_string(),
            checkpoint_every_ms: i64::try_from(node.settings.checkpoint_every.as_millis()).unwrap_or(i64::MAX),
            beginning,
            hidden: hidden.collect(),
            parallelism: self.parallelism.map(|workers| workers as usize),
            limits: WorkerLimits {
                instances_max: Some(self.instances()),
                cpu_cores: node.groups.paced(&tenant.quotas),
                ..limits(&tenant.quotas)
            },
            policy: Some(policy(&tenant.grants, &folder)?),
            touches: self.touches.clone(),
            plugin_folder: Some(node.settings.plugins(self.tenant)),
            compiled: Some(node.settings.compiled(self.tenant)),
            log_level: Level::Info,
            log_format: None,
        })
    }

    /// Instances that the job may have at once. An operator may have several functions of a plugin, and a swap opens new ones beside
    /// the old ones.
    fn instances(&self) -> u32 {
        let functions = u32::try_from(self.pinned.len()).unwrap_or(u32::MAX);
        functions.saturating_mul(self.workers.max(1)).saturating_mul(4).saturating_add(INSTANCES_MORE)
    }

    /// The secrets that the document names. No others leave the catalog.
    fn secrets(&self, node: &Node) -> Answer<Secrets> {
        let all = node.catalog.read(|view| view.all::<SecretRecord>(&key::of(&[self.tenant])))?;
        let mut secrets = Secrets::default();
        for (name, record) in all.into_iter().filter(|(name, _)| self.document.contains(&format!("${{secret:{name}"))) {
            let value = node.vault.unseal(self.tenant, &name, &record.sealed)?;
            secrets.insert(name, Secret::new(value));
        }
        Ok(secrets)
    }
}

/// Returns a version as a worker process is told of it.
pub(super) fn assigned(node: &Node, tenant: &str, pinned: &Pinned) -> AssignedPlugin {
    AssignedPlugin {
        operator: pinned.operator.clone(),
        plugin: pinned.plugin.clone(),
        path: component(node, tenant, &pinned.digest),
        digest: pinned.digest.clone(),
    }
}

/// The file of a component.
pub(crate) fn component(node: &Node, tenant: &str, digest: &str) -> PathBuf {
    node.settings.plugins(tenant).join(format!("{digest}.wasm"))
}

/// Instances beside those of functions on workers: what describes a plugin, and what opens a function for a check.
const INSTANCES_MORE: u32 = 4;

/// Connectors that every job may use: `print` writes into a file of the job's attempt, `file` is bound to the files that are granted.
const CONNECTORS: [&str; 2] = ["file", "print"];

/// Returns what a job may touch: what its tenant is granted, and the folder of its own files.
///
/// # Errors
/// A grant is no pattern: it was one when it was granted.
fn policy(grants: &Grants, folder: &JobFolder) -> Answer<Policy> {
    let own = |of: std::path::PathBuf| format!("{}/**", of.display());
    let mut grants = grants.clone();
    grants.connectors.extend(CONNECTORS.map(String::from));
    grants.write.extend([own(folder.files()), own(folder.checkpoints())]);
    read_grants(&grants)
}

/// Reads what is granted.
///
/// # Errors
/// A grant is no pattern.
pub(crate) fn read_grants(grants: &Grants) -> Answer<Policy> {
    let policy = serde_json::to_value(grants).and_then(serde_json::from_value);
    policy.map_err(|error| Refusal::new(Code::Invalid, format!("the grants: {error}")))
}

fn limits(quotas: &Quotas) -> WorkerLimits {
    let count = |quota: u64| u32::try_from(quota).unwrap_or(u32::MAX);
    WorkerLimits {
        memory_bytes: Some(quotas.job_memory_bytes),
        instance_memory_bytes: Some(quotas.instance_memory_bytes),
        call_ms: Some(quotas.call_ms),
        failed_call_s_per_min: Some(quotas.failed_call_s_per_min as f64),
        timers_per_s: Some(quotas.timers_per_s as f64),
        rows_out_per_row: Some(quotas.rows_out_per_row as f64),
        dead_letters_per_s: Some(quotas.dead_letters_per_s as f64),
        instances_memory_bytes: Some(quotas.instances_memory_bytes),
        granted_file_bytes: Some(quotas.granted_file_bytes),
        table_bytes: Some(quotas.table_bytes),
        metric_names: Some(count(quotas.metric_names) as usize),
        metric_updates_per_s: Some(count(quotas.metric_updates_per_s)),
        open_files: quotas.open_files,
        spill_bytes: Some(quotas.spill_bytes),
        spill_bytes_per_s: Some(quotas.spill_bytes_per_s),
        file_bytes: Some(quotas.spill_bytes),
        state_memory_bytes_max: quotas.state_memory_bytes,
        log_lines_per_s: count(quotas.log_lines_per_s),
        // Two files are kept.
        log_file_bytes: quotas.log_bytes / 2,
        ..WorkerLimits::default()
    }
}
