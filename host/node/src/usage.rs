//! What a tenant takes of its quotas.

use flowgate_api::tenant::Usage;
use flowgate_base::{clock, process};
use flowgate_control::figures::Calls;
use flowgate_control::status::Kind;

use crate::api::refusal::Answer;
use crate::catalog::{JobRecord, PluginRecord, SecretRecord, key};
use crate::node::Node;
use crate::statuses::Measured;

/// Returns what a tenant takes; `jobs` is what its jobs say that run. What its checkpoints take may be some seconds old.
///
/// # Errors
/// There is no such tenant, or the catalog cannot be read.
pub(crate) fn of<'a>(node: &Node, tenant: &str, jobs: impl Iterator<Item = &'a Measured>) -> Answer<Usage> {
    let quotas = node.tenant(tenant)?.quotas;
    let prefix = key::of(&[tenant]);
    let (records, plugins, secrets) = node.catalog.read(|view| {
        Ok::<_, crate::catalog::CatalogError>((
            view.all::<JobRecord>(&prefix)?,
            view.all::<PluginRecord>(&prefix)?,
            view.all::<SecretRecord>(&prefix)?.len() as u64,
        ))
    })?;
    let mut usage = Usage {
        plugins: plugins.len() as u64,
        plugin_bytes: plugins.iter().map(|(_, record)| record.0.size_bytes).sum(),
        secrets,
        ..Usage::default()
    };
    let now = clock::monotonic();
    for (name, record) in &records {
        usage.checkpoint_bytes += node.sizes.kept(&node.settings.data, tenant, name, now);
        let Some(job) = node.find_job(tenant, name) else { continue };
        let state = job.state();
        if state.machine.is_active() {
            usage.jobs += 1;
            usage.workers += u64::from(record.workers);
            usage.memory_bytes += quotas.job_memory_bytes;
        }
        if let Some(pid) = state.pid {
            // One that has ended meanwhile takes nothing.
            usage.memory_used_bytes += process::memory_of_process(pid).map_or(0, |memory| memory.proportional_bytes);
            usage.cpu_ms += process::cpu_time_of_process(pid).map_or(0, |time| time.as_millis() as u64);
        }
    }
    jobs.for_each(|job| add(&mut usage, job));
    Ok(usage)
}

/// Adds what a job takes of quotas of one job: the tenant's use is that of the job that takes most.
fn add(usage: &mut Usage, job: &Measured) {
    usage.spill_bytes = usage.spill_bytes.max(job.status.figures.spill.file_bytes);
    let calls = job.status.operators.iter().filter_map(|of| of.calls.as_ref());
    usage.instances_memory_bytes = usage.instances_memory_bytes.max(calls.map(|calls| calls.memory_bytes).sum());
    for of in &job.status.operators {
        let longest_us = of.calls.as_ref().map_or(0, Calls::longest_us);
        usage.call_ms = usage.call_ms.max(longest_us.div_ceil(1_000));
        let is_per_row = matches!(of.kind, Kind::Transform | Kind::Process) && of.calls.is_some();
        let taken = (of.rows_in + of.timers_fired).max(1);
        usage.rows_out_per_row = usage.rows_out_per_row.max(if is_per_row { of.rows_out.div_ceil(taken) } else { 0 });
    }
    usage.failed_call_s_per_min = usage.failed_call_s_per_min.max(job.rates.failed_call_s * 60.0);
    usage.timers_per_s = usage.timers_per_s.max(job.rates.timers.round() as u64);
    usage.dead_letters_per_s = usage.dead_letters_per_s.max(job.rates.dead_letters.round() as u64);
}
