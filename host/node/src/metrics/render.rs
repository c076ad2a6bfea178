//! The page of a node and its jobs.

use std::collections::BTreeMap;

use super::job::{self, JobView};
use super::node::{self, NodeFigures};
use super::page::{Page, Value};
use super::table;

/// Returns the page of metrics, in the format of [`CONTENT_TYPE`](super::CONTENT_TYPE). The order of `jobs` does not matter.
///
/// The node's own metrics come first. Then each tenant has an equal share of what the page can still take, and what it does not use is for the
/// tenants behind it; within a tenant, jobs come in the order of their names. What is left out is counted, by tenant.
pub fn render(node: &NodeFigures, jobs: &[JobView<'_>]) -> String {
    let mut by_tenant: BTreeMap<&str, Vec<&JobView<'_>>> = BTreeMap::new();
    for job in jobs {
        by_tenant.entry(job.tenant).or_default().push(job);
    }
    // The counts of what is left out have their place.
    let mut page = Page::with_reserve(by_tenant.len() + 1);
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    left_out.insert("", node::add(&mut page, node) + phases(&mut page, &by_tenant));
    let mut tenants: Vec<(&str, Vec<&JobView<'_>>)> = by_tenant.into_iter().collect();
    // Those with few jobs first: what they leave is for the others.
    tenants.sort_by_key(|(tenant, jobs)| (jobs.len(), *tenant));
    let mut waiting = tenants.len();
    for (tenant, mut jobs) in tenants {
        jobs.sort_by_key(|job| job.job);
        let share = page.room() / waiting;
        let least = page.room() - share;
        let of = left_out.entry(tenant).or_default();
        for job in jobs {
            let room = page.room().saturating_sub(least);
            *of += job::add(&mut page, job, room);
        }
        waiting -= 1;
    }
    page.open();
    for (tenant, samples) in left_out {
        page.add(&table::LEFT_OUT, &[tenant], Value::Count(samples as u64));
    }
    page.text()
}

/// Adds the number of jobs by tenant and phase.
fn phases(page: &mut Page, by_tenant: &BTreeMap<&str, Vec<&JobView<'_>>>) -> usize {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for job in by_tenant.values().flatten() {
        *counts.entry((job.tenant, job.phase)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((tenant, phase), count)| page.add(&table::JOBS, &[tenant, phase], Value::Count(count)))
        .sum()
}
