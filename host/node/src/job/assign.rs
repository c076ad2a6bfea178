//! What a worker process is told about its job.

use std::path::PathBuf;

use flowgate_api::job::Language;
use flowgate_api::quota::Quotas;
use flowgate_base::secret::{Secret, Secrets};
use flowgate_worker::assignment::{
    AssignedPlugin, Assignment, Begins, DocumentLanguage, JobDocument, Level, Task, VERSION,
};
use flowgate_worker::limits::WorkerLimits;

use super::folder::JobFolder;
use crate::api::refusal::Answer;
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
        }
    }

    /// Returns the assignment.
    ///
    /// # Errors
    /// The catalog cannot be read, or a secret cannot be decrypted.
    pub(crate) fn assignment(&self, node: &Node, task: Task, attempt: u64, beginning: Begins) -> Answer<Assignment> {
        let folder = JobFolder::of(&node.settings.data, self.tenant, self.job);
        let (name, language) = match self.language {
            Language::Yaml => ("yaml", DocumentLanguage::Yaml),
            Language::Toml => ("toml", DocumentLanguage::Toml),
            Language::Json => ("json", DocumentLanguage::Json),
        };
        Ok(Assignment {
            version: VERSION,
            task,
            tenant: self.tenant.into(),
            job: self.job.into(),
            attempt,
            document: JobDocument { name: format!("job.{name}"), text: self.document.into(), language },
            plugins: self.pinned.iter().map(|pinned| assigned(node, self.tenant, pinned)).collect(),
            secrets: self.secrets(node)?,
            folder: folder.attempt(attempt),
            socket_folder: Some(node.settings.sockets()),
            files: folder.files(),
            checkpoint_store: folder.checkpoints().display().to_string(),
            checkpoint_every_ms: i64::try_from(node.settings.checkpoint_every.as_millis()).unwrap_or(i64::MAX),
            beginning,
            parallelism: self.parallelism.map(|workers| workers as usize),
            limits: limits(&node.tenant(self.tenant)?.quotas),
            compiled: Some(node.settings.compiled(self.tenant)),
            log_level: Level::Info,
            log_format: None,
        })
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

fn assigned(node: &Node, tenant: &str, pinned: &Pinned) -> AssignedPlugin {
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

fn limits(quotas: &Quotas) -> WorkerLimits {
    let lines = u32::try_from(quotas.log_lines_per_s).unwrap_or(u32::MAX);
    WorkerLimits {
        memory_bytes: Some(quotas.job_memory_bytes),
        state_memory_bytes_max: quotas.state_memory_bytes,
        cpu_cores: Some(quotas.cpu_cores),
        log_lines_per_s: lines,
        // Two files are kept.
        log_file_bytes: quotas.log_bytes / 2,
        ..WorkerLimits::default()
    }
}
