//! Work for plugins in child processes: how many at once, and how many of a tenant.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use flowgate_api::problem::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::refusal::{Answer, Refusal};
use crate::counts::{Counted, Counts};
use crate::limits::COMPILATIONS_OF_TENANT_MAX;
use crate::metrics::Compiles;

/// Hands out turns.
pub(crate) struct Compiler {
    turns: Arc<Semaphore>,
    turns_max: usize,
    /// What waits or runs, by tenant.
    places: Counts<String>,
    done: AtomicU64,
    failed: AtomicU64,
    /// Components, by tenant and digest, of which this node has seen machine code.
    seen: Mutex<HashSet<(String, String)>>,
}

/// A turn. The next one begins when this is dropped.
pub(crate) struct Turn {
    /// Held for its drop.
    _turn: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in the queue of a tenant.
pub(crate) type Place = Counted<String>;

impl Compiler {
    /// Creates one with that many turns at once.
    pub(crate) fn new(turns_max: usize) -> Compiler {
        Compiler {
            turns: Arc::new(Semaphore::new(turns_max)),
            turns_max,
            places: Counts::new(COMPILATIONS_OF_TENANT_MAX),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }

    /// Returns how much waits, runs and is done.
    pub(crate) fn figures(&self) -> Compiles {
        let running = self.turns_max - self.turns.available_permits().min(self.turns_max);
        Compiles {
            waiting: self.places.sum().saturating_sub(running) as u64,
            running: running as u64,
            done: self.done.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    /// Notes how a compilation has ended.
    pub(crate) fn note(&self, done: bool) {
        if done { &self.done } else { &self.failed }.fetch_add(1, Relaxed);
    }

    /// Whether this node has seen machine code of a component.
    pub(crate) fn has_seen(&self, tenant: &str, digest: &str) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).contains(&(tenant.into(), digest.into()))
    }

    /// Notes that there is machine code of a component, or, as that was removed, that there is none.
    pub(crate) fn note_seen(&self, tenant: &str, digest: &str, is_there: bool) {
        let (mut seen, of) = (self.seen.lock().unwrap_or_else(PoisonError::into_inner), (tenant.into(), digest.into()));
        if is_there {
            seen.insert(of)
        } else {
            seen.remove(&of)
        };
    }

    /// Waits for a turn of the node's own, for a job that starts again: that counts for no tenant.
    ///
    /// # Errors
    /// The node stops.
    pub(crate) async fn own_turn(&self) -> Answer<OwnedSemaphorePermit> {
        let closed = |_| Refusal::new(Code::Unavailable, "the node stops");
        Arc::clone(&self.turns).acquire_owned().await.map_err(closed)
    }

    /// Waits for a turn. The semaphore is fair: tenants take turns in the order in which they came, each with a short queue.
    ///
    /// # Errors
    /// Too much of the tenant waits already.
    pub(crate) async fn turn(&self, tenant: &str) -> Answer<Turn> {
        self.turn_of(self.place(tenant)?).await
    }

    /// Waits for the turn of a place.
    ///
    /// # Errors
    /// The node stops.
    pub(crate) async fn turn_of(&self, place: Place) -> Answer<Turn> {
        let closed = |_| Refusal::new(Code::Unavailable, "the node stops");
        Ok(Turn { _turn: Arc::clone(&self.turns).acquire_owned().await.map_err(closed)?, _place: place })
    }

    /// Takes a place in the queue of a tenant.
    ///
    /// # Errors
    /// Too much of the tenant waits already.
    pub(crate) fn place(&self, tenant: &str) -> Answer<Place> {
        self.places.add(tenant.into()).map_err(|count| {
            let detail = format!("{count} checks and compilations of the tenant wait or run already");
            Refusal::new(Code::TooMany, detail).retry_after(2)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_with_a_long_queue_is_refused_and_others_are_not() {
        let compiler = Compiler::new(1);
        let places: Vec<_> = (0..COMPILATIONS_OF_TENANT_MAX).map(|_| compiler.place("acme").unwrap()).collect();
        assert!(compiler.place("acme").is_err());
        let other = compiler.turn("umbrella").await.unwrap();
        drop((places, other));
        compiler.turn("acme").await.unwrap();
        assert_eq!(compiler.figures().waiting, 0);
    }
}
