//! Swaps and canaries in a running job, as `flowgate job swap` requests them: the job is checked again with the new version.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use flowgate::code;
use flowgate::job::graph::JobGraph;
use flowgate::running::{CanaryOptions, JobState, RunningCanary, SwapOptions};
use flowgate::submit::{NewVersion, Recheck, swap_prospect};
use flowgate_base::error::{Error, Fault, Result};
use flowgate_checkpoint::store::Stores;
use flowgate_control::canary::{CanaryRequest, MILLION};
use flowgate_control::message::{Reason, Refusal, SwapProspect, SwapRequest, Swapped};
use flowgate_wall::Plugins;

/// The stack of the thread that opens functions: a call of a plugin takes up to 1 MiB.
const STACK_BYTES: usize = 4 << 20;

/// What it takes to swap functions of a job.
pub struct JobSwaps {
    /// Checks the job again.
    pub recheck: Recheck,
    /// Limits the graph as that of the running job was.
    pub limit: Box<dyn Fn(&mut JobGraph) + Send + Sync>,
    /// The wall of the job.
    pub plugins: Plugins,
    /// The kinds of checkpoint stores that the program knows.
    pub stores: Stores,
    /// Tells whoever watches the job what happens to it: one line without its line end. Waits for nobody.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
}

impl JobSwaps {
    /// Swaps a function, and waits until that is durable.
    pub fn swap(&self, state: &Arc<JobState>, swap: &SwapRequest) -> std::result::Result<Swapped, Refusal> {
        self.on_a_thread(|| {
            let (graph, options) = self.checked(state, swap)?;
            let swapping = state.request_swap(&graph, &self.plugins, &options)?;
            (self.tell)(&format!("swapping `{}` for {}, as requested", swap.operator, swap.path));
            let (swapped, saved) = swapping.wait()?;
            let address = graph.checkpoint.as_ref().zip(options.savepoint);
            let savepoint = address.map(|(settings, name)| format!("{}#{name}", settings.store));
            let savepoint_error = saved.and_then(|saved| saved.err()).map(|error| error.message);
            Ok(Swapped {
                gap_us: swapped.gap_us,
                migrated: swapped.migrated,
                checkpoint: swapped.checkpoint,
                savepoint: savepoint.filter(|_| savepoint_error.is_none()),
                savepoint_error,
            })
        })
    }

    /// Says what a swap would do.
    pub fn prospect(&self, state: &Arc<JobState>, swap: &SwapRequest) -> std::result::Result<SwapProspect, Refusal> {
        self.on_a_thread(|| {
            let (graph, options) = self.checked(state, swap)?;
            let prospect = swap_prospect(state, &graph, &self.plugins, &self.stores, &options)?;
            Ok(SwapProspect {
                from: prospect.savepoint,
                kept: prospect.kept,
                notes: prospect.notes,
                problems: prospect.problems,
            })
        })
    }

    /// Runs another version of a function beside the one of the job.
    pub fn canary(&self, state: &Arc<JobState>, canary: &CanaryRequest) -> std::result::Result<RunningCanary, Refusal> {
        self.on_a_thread(|| {
            let version = NewVersion {
                operator: canary.operator.clone(),
                plugin: canary.plugin.clone(),
                path: PathBuf::from(&canary.path),
            };
            let graph = self.graph_with(state, &version)?;
            let share = f64::from(canary.share_ppm) / f64::from(MILLION);
            let options = CanaryOptions { share, drop_state: canary.drop_state.clone() };
            let running = state.request_canary(&graph, &self.plugins, &options)?;
            (self.tell)(&format!("comparing `{}` with {}, as requested", canary.operator, canary.path));
            Ok(running)
        })
    }

    fn checked(&self, state: &JobState, swap: &SwapRequest) -> Result<(JobGraph, SwapOptions)> {
        if let Some(name) = &swap.savepoint {
            flowgate_checkpoint::check_savepoint_name(name).map_err(|wrong| Error::new(&code::SWAP_MISFIT, wrong))?;
        }
        let version = NewVersion {
            operator: swap.operator.clone(),
            plugin: swap.plugin.clone(),
            path: PathBuf::from(&swap.path),
        };
        let graph = self.graph_with(state, &version)?;
        Ok((graph, SwapOptions { savepoint: swap.savepoint.clone(), drop_state: swap.drop_state.clone() }))
    }

    /// Checks the job with another version of a function.
    fn graph_with(&self, state: &JobState, version: &NewVersion) -> Result<JobGraph> {
        let mut graph = self.recheck.check(state, &self.plugins, version)?;
        (self.limit)(&mut graph);
        Ok(graph)
    }

    /// Runs on a thread whose stack is large enough for calls of plugins.
    fn on_a_thread<T: Send>(&self, run: impl FnOnce() -> Result<T> + Send) -> std::result::Result<T, Refusal> {
        let ran = thread::scope(|scope| {
            let thread = thread::Builder::new().name("swap".into()).stack_size(STACK_BYTES).spawn_scoped(scope, run);
            let thread = thread.map_err(|error| Error::io("cannot start a thread for the swap", &error))?;
            thread.join().unwrap_or_else(|_| Err(Error::internal("the thread of a swap has panicked")))
        });
        ran.map_err(|error| Refusal { reason: reason(&error), message: error.message })
    }
}

fn reason(error: &Error) -> Reason {
    let known = [
        (&code::SWAP_BUSY, Reason::SwapBusy),
        (&code::NOT_MIGRATED, Reason::NotMigrated),
        (&code::SWAP_ENDED, Reason::SwapEnded),
        (&code::NO_SAVEPOINT, Reason::NoSavepoint),
    ];
    match known.into_iter().find(|(code, _)| error.code == *code) {
        Some((_, reason)) => reason,
        None if error.fault() == Fault::Internal => Reason::Internal,
        None => Reason::SwapMisfit,
    }
}
