//! What a tenant takes of its quotas.

use std::fs;

use flowgate_api::tenant::Usage;

use crate::api::refusal::Answer;
use crate::catalog::{JobRecord, PluginRecord, SecretRecord, key};
use crate::job::folder::{JobFolder, bytes_below};
use crate::node::Node;

/// Measures what a tenant takes. Reads the sizes of its files: not for every request.
///
/// # Errors
/// There is no such tenant, or the catalog cannot be read.
pub(crate) fn of(node: &Node, tenant: &str) -> Answer<Usage> {
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
    for (name, record) in &records {
        let folder = JobFolder::of(&node.settings.data, tenant, name);
        usage.checkpoint_bytes += bytes_below(&folder.checkpoints());
        let Ok(job) = node.job(tenant, name) else { continue };
        let state = job.state();
        if state.machine.is_active() {
            usage.jobs += 1;
            usage.workers += u64::from(record.workers);
            usage.memory_bytes += quotas.job_memory_bytes;
        }
        if let Some(pid) = state.pid {
            usage.memory_used_bytes += pss_bytes(pid);
            usage.cpu_ms += cpu_ms(pid);
        }
    }
    Ok(usage)
}

/// Returns the proportional set size of a process (`/proc/PID/smaps_rollup`, proc(5)); 0 for one that has ended.
pub(crate) fn pss_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib =
        text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Returns the processor time of a process in milliseconds (fields 14 and 15 of `/proc/PID/stat`, proc(5)); 0 for one that has ended.
pub(crate) fn cpu_ms(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, behind_name)) = text.rsplit_once(')') else { return 0 };
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    let ticks = |field: Option<&str>| field.and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    let ticks = ticks(fields.next()) + ticks(fields.next());
    ticks * 1_000 / rustix::param::clock_ticks_per_second().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured() {
        let own = std::process::id();
        assert!(pss_bytes(own) > 100_000, "{}", pss_bytes(own));
        let mut count = 0u64;
        while cpu_ms(own) < 20 {
            count = count.wrapping_add(1);
        }
        assert_eq!((pss_bytes(u32::MAX), cpu_ms(u32::MAX)), (0, 0));
    }
}
