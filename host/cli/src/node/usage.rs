//! `flowgate tenant usage`: what a tenant takes of its quotas.

use flowgate_api::quota::Quotas;
use flowgate_api::tenant::{Tenant, Usage};
use flowgate_base::error::Result;
use flowgate_control::explain::words;

use super::args::TenantShow;
use super::{json, tenant};
use crate::{columns, terminal};

pub(super) fn run(args: &TenantShow) -> Result<()> {
    let session = args.shown.target.session()?;
    let path = tenant::of(&session, args.name.as_deref())?;
    let usage: Usage = session.client.get(&format!("{path}/usage"))?;
    if args.shown.json {
        return json::print(&usage);
    }
    let tenant: Tenant = session.client.get(&path)?;
    terminal::print(&text(&usage, &tenant.quotas, terminal::width()))
}

fn text(usage: &Usage, quotas: &Quotas, cells: Option<u16>) -> String {
    let count = |what: &str, used: u64, limit: u64| {
        vec![what.into(), words::whole(used), words::whole(limit), share(used, limit)]
    };
    let measure = |what: &str, used: f64, limit: f64| {
        vec![what.into(), format!("{used:.1}"), limit.to_string(), share((used * 1e3) as u64, (limit * 1e3) as u64)]
    };
    let bytes = |what: &str, used: u64, limit: u64| vec![what.into(), binary(used), binary(limit), share(used, limit)];
    let rows = vec![
        count("jobs", usage.jobs, quotas.jobs),
        count("workers", usage.workers, quotas.workers),
        bytes("memory, reserved", usage.memory_bytes, quotas.memory_bytes),
        bytes("memory, used", usage.memory_used_bytes, quotas.memory_bytes),
        count("plugins", usage.plugins, quotas.plugins),
        bytes("components", usage.plugin_bytes, quotas.plugin_bytes),
        bytes("checkpoints", usage.checkpoint_bytes, quotas.checkpoint_bytes),
        count("secrets", usage.secrets, quotas.secrets),
        bytes("spilled state", usage.spill_bytes, quotas.spill_bytes),
        bytes("plugin instances", usage.instances_memory_bytes, quotas.instances_memory_bytes),
        count("longest call, ms", usage.call_ms, quotas.call_ms),
        measure("failed calls, s/min", usage.failed_call_s_per_min, quotas.failed_call_s_per_min as f64),
        count("timers, 1/s", usage.timers_per_s, quotas.timers_per_s),
        count("rows out for each row", usage.rows_out_per_row, quotas.rows_out_per_row),
        count("dead letters, 1/s", usage.dead_letters_per_s, quotas.dead_letters_per_s),
    ];
    let cpu = words::length(i64::try_from(usage.cpu_ms).unwrap_or(i64::MAX));
    let table = columns::table(&["what", "used", "limit", "share"], &rows, cells);
    format!("{table}\nprocessor time of running jobs: {cpu}\n")
}

/// Returns bytes in the units of quotas: `2GiB`, `1.3MiB`.
fn binary(bytes: u64) -> String {
    let unit = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")].into_iter().find(|(scale, _)| bytes >= *scale);
    match unit {
        None => format!("{bytes}B"),
        Some((scale, unit)) if bytes.is_multiple_of(scale) => format!("{}{unit}", bytes / scale),
        Some((scale, unit)) => format!("{:.1}{unit}", bytes as f64 / scale as f64),
    }
}

fn share(used: u64, limit: u64) -> String {
    match limit {
        0 => "-".into(),
        limit => format!("{:.0} %", used as f64 / limit as f64 * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_units_of_quotas() {
        let wanted = ["0B", "1KiB", "1.5KiB", "2GiB", "1.1GiB"];
        assert_eq!([0, 1 << 10, 3 << 9, 2 << 30, 1_181_116_006].map(binary), wanted);
    }

    #[test]
    fn use_stands_beside_its_limit() {
        let usage = Usage { jobs: 5, memory_bytes: 1 << 30, cpu_ms: 90_000, ..Usage::default() };
        let shown = text(&usage, &Quotas { secrets: 0, ..Quotas::default() }, None);
        let line = |what: &str| shown.lines().find(|line| line.starts_with(what)).unwrap().to_string();
        assert_eq!(line("jobs").split_whitespace().collect::<Vec<_>>(), ["jobs", "5", "20", "25", "%"]);
        assert!(line("memory, reserved").ends_with("50 %"), "{shown}");
        assert!(line("secrets").ends_with('-'), "{shown}");
        assert!(shown.ends_with("1m 30s\n"), "{shown}");
    }
}
