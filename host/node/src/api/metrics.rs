//! The metrics of the node and its jobs, for Prometheus.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use flowgate_api::job::Phase;
use flowgate_api::problem::Problem;
use flowgate_base::process;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::refusal::Answer;
use crate::catalog::TenantRecord;
use crate::job::JobHandle;
use crate::metrics::{self, Disk, JobView, NodeFigures, QuotaUse};
use crate::node::Node;
use crate::statuses::Measured;
use crate::token::Principal;
use crate::usage;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// The metrics of the tenant; of all tenants and of the node for a token of the node.
#[utoipa::path(get, path = "/metrics", tag = "node", security(("token" = ["viewer"])),
    responses((status = 200, description = "The text format of Prometheus.", body = String, content_type = "text/plain"),
        (status = "default", body = Problem, description = "A problem.")))]
async fn show(State(node): State<Arc<Node>>, Extension(principal): Extension<Principal>) -> Answer<impl IntoResponse> {
    let jobs = node.jobs_of(principal.tenant.as_deref());
    let measured = node.statuses.of_all(&jobs).await;
    let running = running(&jobs, &measured);
    let (of, tenant) = (Arc::clone(&node), principal.tenant.clone());
    let figures = super::blocking(move || figures(&of, tenant.as_deref(), &running)).await?;
    let views: Vec<JobView<'_>> = jobs
        .iter()
        .zip(&measured)
        .map(|(job, measured)| {
            let machine = job.state().machine;
            JobView {
                tenant: &job.tenant,
                job: &job.name,
                status: measured.as_ref().map(|measured| &*measured.status),
                restarts: machine.restarts,
                phase: word(machine.phase),
            }
        })
        .collect();
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&figures, &views)))
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Restarting => "restarting",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
        Phase::Finished => "finished",
        Phase::Failed => "failed",
    }
}

/// What the jobs that run say, by tenant.
type Running = HashMap<String, Vec<Measured>>;

fn running(jobs: &[Arc<JobHandle>], measured: &[Option<Measured>]) -> Running {
    let mut running = Running::new();
    for (job, measured) in jobs.iter().zip(measured) {
        running.entry(job.tenant.clone()).or_default().extend(measured.clone());
    }
    running
}

fn figures(node: &Arc<Node>, tenant: Option<&str>, running: &Running) -> Answer<NodeFigures> {
    let of_node = tenant.is_none();
    let tenants: Vec<(String, TenantRecord)> = node.catalog.read(|view| view.all::<TenantRecord>(""))?;
    let seen = |name: &str| tenant.is_none_or(|own| own == name);
    let mut quotas = Vec::new();
    for (name, record) in tenants.iter().filter(|(name, _)| seen(name)) {
        quotas.extend(uses(node, name, record, running.get(name).map_or(&[], Vec::as_slice))?);
    }
    Ok(NodeFigures {
        version: env!("CARGO_PKG_VERSION").into(),
        since_ms: node.since_ms,
        cpu_us: process::cpu_time().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).filter(|_| of_node),
        resident_bytes: process::memory().map(|memory| memory.resident_bytes).filter(|_| of_node),
        disk: disk(node).filter(|_| of_node),
        log_lines_dropped: of_node.then(flowgate_base::standard_error::dropped),
        tenants: if of_node { tenants.len() as u64 } else { 1 },
        quotas,
        requests: if of_node { node.requests.figures() } else { Vec::new() },
        compiles: of_node.then(|| node.compiler.figures()),
    })
}

/// Returns what a tenant takes of its quotas, and how often each refused it something.
fn uses(node: &Node, tenant: &str, record: &TenantRecord, jobs: &[Measured]) -> Answer<Vec<QuotaUse>> {
    let usage = usage::of(node, tenant, jobs.iter())?;
    let used = |quota: &str| match quota {
        "jobs" => Some(usage.jobs as f64),
        "workers" => Some(usage.workers as f64),
        "memory_bytes" => Some(usage.memory_bytes as f64),
        "plugins" => Some(usage.plugins as f64),
        "plugin_bytes" => Some(usage.plugin_bytes as f64),
        "secrets" => Some(usage.secrets as f64),
        "checkpoint_bytes" => Some(usage.checkpoint_bytes as f64),
        "spill_bytes" => Some(usage.spill_bytes as f64),
        "instances_memory_bytes" => Some(usage.instances_memory_bytes as f64),
        "call_ms" => Some(usage.call_ms as f64),
        "failed_call_s_per_min" => Some(usage.failed_call_s_per_min),
        "timers_per_s" => Some(usage.timers_per_s as f64),
        "rows_out_per_row" => Some(usage.rows_out_per_row as f64),
        "dead_letters_per_s" => Some(usage.dead_letters_per_s as f64),
        _ => None,
    };
    let all = flowgate_api::quota::TABLE.iter().zip(record.quotas.values());
    Ok(all
        .map(|(about, limit)| QuotaUse {
            tenant: tenant.into(),
            quota: about.name,
            used: used(about.name),
            limit: Some(limit),
            refusals: node.refusals(tenant, about.name),
        })
        .collect())
}

fn disk(node: &Node) -> Option<Disk> {
    let of = rustix::fs::statvfs(&node.settings.data).ok()?;
    Some(Disk { free_bytes: of.f_bavail * of.f_frsize, size_bytes: of.f_blocks * of.f_frsize })
}

/// What a problem of a quota leaves in its response, for the count of refusals.
#[derive(Debug, Clone)]
pub(crate) struct QuotaHit(pub(crate) String);

impl Node {
    /// Notes what became of a request.
    pub(crate) fn note_refusal(&self, tenant: Option<&str>, hit: &QuotaHit) {
        let Some(tenant) = tenant else { return };
        let mut refusals = self.refusals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *refusals.entry((tenant.into(), hit.0.clone())).or_default() += 1;
    }

    /// Returns how often a quota refused something to a tenant.
    pub(crate) fn refusals(&self, tenant: &str, quota: &str) -> u64 {
        let refusals = self.refusals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        refusals.get(&(tenant.to_string(), quota.to_string())).copied().unwrap_or(0)
    }
}
