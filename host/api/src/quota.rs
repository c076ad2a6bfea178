//! What a tenant may take: every quota in one table, with its unit, its default, the reason, and what happens at the limit.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A quota, for those who read about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// What is counted.
    pub what: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its default.
    pub default: f64,
    /// Why that is the default.
    pub reason: &'static str,
    /// What happens at the limit.
    pub at_limit: &'static str,
}

macro_rules! quotas {
    ($($name:ident: $kind:ty = $default:expr, $unit:literal, $what:literal, $reason:literal, $at_limit:literal;)*) => {
        /// What a tenant may take.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Quotas {
            $(#[doc = $what] pub $name: $kind,)*
        }

        impl Default for Quotas {
            fn default() -> Self {
                Quotas { $($name: $default,)* }
            }
        }

        /// All quotas, in the order of [`Quotas`].
        pub const TABLE: &[About] = &[$(About {
            name: stringify!($name),
            what: $what,
            unit: $unit,
            default: $default as f64,
            reason: $reason,
            at_limit: $at_limit,
        },)*];

        impl Quotas {
            /// Sets a quota by its name.
            ///
            /// # Errors
            /// There is none of that name, or it has no such value.
            pub fn set(&mut self, name: &str, value: f64) -> Result<(), String> {
                if !(0.0..=QUOTA_MAX).contains(&value) {
                    return Err(format!("a quota is a number from 0 to {QUOTA_MAX}, and {value} is none"));
                }
                match name {
                    $(stringify!($name) => self.$name = value as $kind,)*
                    _ => return Err(format!("there is no quota `{name}`")),
                }
                Ok(())
            }

            /// Checks that every quota is one: from 0 to [`QUOTA_MAX`].
            ///
            /// # Errors
            /// Which one is none.
            pub fn check(&self) -> Result<(), String> {
                let wrong = |(_, value): &(&About, f64)| !(0.0..=QUOTA_MAX).contains(value);
                match TABLE.iter().zip(self.values()).find(wrong) {
                    None => Ok(()),
                    Some((about, value)) => {
                        Err(format!("the quota `{}` is from 0 to {QUOTA_MAX}, and not {value}", about.name))
                    }
                }
            }

            /// Returns the values, in the order of [`TABLE`].
            pub fn values(&self) -> Vec<f64> {
                vec![$(self.$name as f64,)*]
            }
        }
    };
}

/// The largest quota: 2^53, up to which every reader of JSON keeps a number as it is (RFC 8259, 6).
pub const QUOTA_MAX: f64 = 9_007_199_254_740_992.0;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

quotas! {
    jobs: u64 = 20, "jobs", "Jobs that run or restart at once.",
        "each is a process of about 10 MB", "a submission or a start is refused";
    jobs_stored: u64 = 200, "jobs", "Jobs in the catalog, whether they run or not.",
        "each has a folder and a history", "a submission is refused";
    parallelism: u64 = 8, "workers", "Workers of one job.",
        "each is a thread that may be busy", "the job is refused";
    workers: u64 = 40, "workers", "Workers of all jobs that run.",
        "two for each job", "a submission or a start is refused";
    cpu_cores: f64 = 1.0, "cores", "Processor time of one job's process, over any second.",
        "a core is what a busy worker takes",
        "sources wait, and nothing is lost: the kernel holds the job back where the node has groups (cgroup v2), otherwise its workers pause";
    memory_bytes: u64 = 2 * GIB, "bytes", "Memory of all jobs that run, as they reserve it.",
        "four jobs of the default size",
        "a submission or a start is refused; where the node has groups (cgroup v2), the kernel ends what takes more, checks and compilations first";
    job_memory_bytes: u64 = GIB / 2, "bytes", "Memory of one job's process: state, plugins, buffers.",
        "half of it for state, and a hundred plugin instances", "the process ends, and restarts from its last checkpoint";
    state_memory_bytes: u64 = GIB / 4, "bytes", "`state.memory` of one job.",
        "half of the job's memory", "what is over it goes to files";
    spill_bytes: u64 = 10 * GIB, "bytes", "Files of one job for state over its memory, of all workers together; also the largest of its other files. A file doubles when it grows.",
        "what a disk has for a tenant", "the write fails, and with it the job, from its last checkpoint on";
    spill_bytes_per_s: u64 = 64 * MIB, "bytes", "Written a second by one job to its files for state over its memory, and at once after a pause; at least 64 KiB.",
        "a part of what a disk writes", "the worker that writes waits; the sources wait for it, and nothing is lost";
    instance_memory_bytes: u64 = 64 * MIB, "bytes", "Linear memory of one plugin instance.",
        "a batch of 8,192 rows several times over", "the call traps, and its rows become dead letters";
    instances_memory_bytes: u64 = GIB / 4, "bytes", "Linear memory of all plugin instances of one job together.",
        "what a job's memory has beside its state", "the call traps, and its rows become dead letters; a function that cannot be opened fails the job";
    granted_file_bytes: u64 = GIB / 4, "bytes", "Granted files that functions of one job have open: each function, on each worker.",
        "a database of addresses on a few workers", "the function does not open: the job is refused, or fails";
    table_bytes: u64 = GIB / 8, "bytes", "Lookup tables of one job in memory. One whose file has changed counts twice until it takes the place of the one before.",
        "a million rows of some columns", "the job fails; a table that is read again stays as it was, and the operator says why";
    call_ms: u64 = 10_000, "ms", "Wall time of one call of a function, and so the longest `limits: { deadline }` of a job.",
        "ten times what a job has that sets none", "the call ends, and the rows at fault become dead letters";
    failed_call_s_per_min: u64 = 20, "seconds",
        "Wall time a minute that one job's calls take which trap, miss their deadline or have no valid answer, with the searches for the rows at fault.",
        "six rows that loop, or some ten thousand that trap", "the job fails with the operator's name, and is tried again after a pause that grows";
    timers_per_s: u64 = 100_000, "timers", "Timers of one job that fire a second; as many at once.",
        "one for each of a hundred thousand keys", "timers fire later, in their order, and rows behind them wait; none is lost";
    rows_out_per_row: u64 = 1_000, "rows", "Rows that a function emits for each row, timer or pair that it takes, and a million beyond that on each worker.",
        "a line of text has some hundred words", "the rows so far are emitted, then the job fails with the operator's name, and is not tried again";
    dead_letters_per_s: u64 = 10_000, "rows", "Dead letters of one job a second; ten seconds' worth may come at once.",
        "one row in twenty of a busy job", "sources wait, and the job's log says so; no row and no dead letter is lost";
    metric_names: u64 = 100, "metrics", "Metrics that one function publishes; no more than 100.",
        "what somebody looks at", "further ones are dropped, and the log says so";
    metric_updates_per_s: u64 = 1_000_000, "updates", "Updates of metrics a second by all functions of one job, and as many at once after a pause.",
        "some for each row of a fast job", "updates are dropped and counted, and the log says so";
    sinks: u64 = 20, "sinks", "Sinks of one job. Each has one destination: a file, a folder, or a webhook with one connection at a time.",
        "a few for each of some teams", "the job is refused";
    open_files: u64 = 8_192, "files", "Files and connections that one job's process has open at once.",
        "a job that follows many files has one open for each", "what needs another one fails, and with it the job, from its last checkpoint on";
    checkpoint_bytes: u64 = 10 * GIB, "bytes", "Checkpoints and savepoints in the node's own stores, of all jobs.",
        "what a disk has for a tenant", "submissions, starts and savepoints are refused";
    plugins: u64 = 100, "versions", "Plugin versions in the registry.",
        "ten versions of ten plugins", "a push is refused";
    plugin_bytes: u64 = GIB, "bytes", "Components in the registry.",
        "a Python plugin has 40 MiB", "a push is refused";
    compiles_per_min: u64 = 30, "compilations", "Components compiled a minute; those compiled before do not count.",
        "a compilation takes up to 20 s of a core", "a push is refused, with the time after which it is not";
    secrets: u64 = 100, "secrets", "Secrets.",
        "a few for each job", "a new secret is refused";
    tokens: u64 = 100, "tokens", "Tokens.",
        "one for each machine and person", "a new token is refused";
    requests_per_s: u64 = 50, "requests", "Requests to the API a second, of one token; twice as many at once.",
        "the page asks twice a second", "requests are refused, with the time after which they are not";
    log_lines_per_s: u64 = 200, "lines", "Log lines of one job a second.",
        "what somebody may read", "lines are dropped and counted";
    log_bytes: u64 = 32 * MIB, "bytes", "Log files of one job.",
        "some days of a quiet job", "the oldest lines are dropped";
    history: u64 = 10_000, "events", "Events in the history of one job.",
        "years of a job that restarts daily", "the oldest events are dropped";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_defaults() {
        let defaults: Vec<f64> = TABLE.iter().map(|about| about.default).collect();
        assert_eq!(Quotas::default().values(), defaults);
    }

    #[test]
    fn quotas_are_set_by_name() {
        let mut quotas = Quotas::default();
        quotas.set("jobs", 3.0).unwrap();
        quotas.set("cpu_cores", 1.5).unwrap();
        assert_eq!((quotas.jobs, quotas.cpu_cores), (3, 1.5));
        assert!(quotas.set("job", 3.0).is_err());
        assert!(quotas.set("jobs", -1.0).is_err());
        assert!(quotas.set("jobs", f64::NAN).is_err());
        assert!(quotas.set("jobs", 1e300).is_err());
    }

    #[test]
    fn a_quota_is_within_its_range() {
        Quotas::default().check().unwrap();
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Quotas { cpu_cores: wrong, ..Quotas::default() }.check().unwrap_err().contains("`cpu_cores`"));
        }
        assert!(Quotas { history: u64::MAX, ..Quotas::default() }.check().is_err());
    }

    #[test]
    fn what_is_absent_has_its_default() {
        let quotas: Quotas = serde_json::from_str(r#"{"jobs": 2}"#).unwrap();
        assert_eq!(quotas, Quotas { jobs: 2, ..Quotas::default() });
        assert!(serde_json::from_str::<Quotas>(r#"{"job": 2}"#).is_err());
    }
}
