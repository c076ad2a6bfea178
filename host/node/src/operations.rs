//! Operations: what takes longer than a request. They live with the node; what they change is in the catalog.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE32_NOPAD;
use flowgate_api::operation::{End, Operation};
use flowgate_api::problem::Code;
use flowgate_base::{clock, random};
use serde_json::Value;
use tracing::Instrument;

use crate::api::refusal::{Answer, Refusal};
use crate::limits::{OPERATION_KEPT, OPERATIONS_AT_ONCE_MAX, OPERATIONS_MAX};
use crate::traces::{self, Cause};

type Table = BTreeMap<(String, String), Operation>;

/// The operations of all tenants, by tenant and id.
#[derive(Clone, Default)]
pub(crate) struct Operations(Arc<Mutex<Table>>);

/// An operation that goes on.
#[derive(Clone)]
pub(crate) struct Progress {
    operations: Operations,
    key: (String, String),
}

impl Operations {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts an operation, and returns it as it begins.
    ///
    /// # Errors
    /// Too many of the tenant go on, or the system has no randomness.
    pub(crate) fn start<F>(
        &self,
        tenant: &str,
        kind: &str,
        job: Option<&str>,
        work: impl FnOnce(Progress) -> F,
    ) -> Answer<Operation>
    where
        F: Future<Output = Answer<Value>> + Send + 'static,
    {
        let id = BASE32_NOPAD.encode(&random::bytes::<10>()?).to_ascii_lowercase();
        let operation = Operation {
            id: id.clone(),
            kind: kind.into(),
            job: job.map(String::from),
            began_ms: clock::now_ms(),
            step: "begins".into(),
            so_far: Value::Null,
            end: None,
        };
        let key = (tenant.to_string(), id);
        {
            let mut table = self.table();
            forget(&mut table, tenant);
            let going = table.iter().filter(|((of, _), operation)| of == tenant && operation.end.is_none()).count();
            if going >= OPERATIONS_AT_ONCE_MAX {
                let detail = format!("{going} operations of the tenant go on; wait for the end of one of them");
                return Err(Refusal::new(Code::TooMany, detail).retry_after(2));
            }
            table.insert(key.clone(), operation.clone());
        }
        let progress = Progress { operations: self.clone(), key };
        let span = traces::operation(kind, tenant, job, &Cause::here());
        let work = work(progress.clone()).instrument(span.clone());
        tokio::spawn(async move {
            // A panic ends the operation, too.
            let result = match tokio::spawn(work).await {
                Ok(result) => result,
                Err(_) => Err(Refusal::from(flowgate_base::error::Error::internal("an operation has panicked"))),
            };
            if let Err(refusal) = &result {
                traces::failed(&span, refusal.title());
            }
            progress.end(result);
        });
        Ok(operation)
    }

    /// Returns an operation.
    ///
    /// # Errors
    /// There is none of that id, or no longer.
    pub(crate) fn get(&self, tenant: &str, id: &str) -> Answer<Operation> {
        let found = self.table().get(&(tenant.to_string(), id.to_string())).cloned();
        found.ok_or_else(|| Refusal::not_found("operation"))
    }

    /// Returns the operations of a tenant, newest first: those of a job and of a kind, where these are given.
    pub(crate) fn of(&self, tenant: &str, job: Option<&str>, kind: Option<&str>) -> Vec<Operation> {
        let wanted = |operation: &&Operation| {
            job.is_none_or(|job| operation.job.as_deref() == Some(job))
                && kind.is_none_or(|kind| operation.kind == kind)
        };
        let table = self.table();
        let of = table.iter().filter(|((of, _), _)| of == tenant).map(|(_, operation)| operation);
        let mut found: Vec<Operation> = of.filter(wanted).cloned().collect();
        found.sort_by(|a, b| (b.began_ms, &b.id).cmp(&(a.began_ms, &a.id)));
        found
    }
}

impl Progress {
    /// The progress of what no operation shows.
    pub(crate) fn unseen() -> Progress {
        Progress { operations: Operations::default(), key: Default::default() }
    }

    /// Says what it does now.
    pub(crate) fn step(&self, step: impl Into<String>) {
        if let Some(operation) = self.operations.table().get_mut(&self.key) {
            operation.step = step.into();
        }
    }

    /// Says what it does now, and what it has found so far.
    pub(crate) fn found(&self, step: impl Into<String>, so_far: Value) {
        if let Some(operation) = self.operations.table().get_mut(&self.key) {
            operation.step = step.into();
            operation.so_far = so_far;
        }
    }

    fn end(&self, result: Answer<Value>) {
        let (problem, result) = match result {
            Ok(result) => (None, result),
            Err(refusal) => (Some(refusal.into_problem()), Value::Null),
        };
        if let Some(operation) = self.operations.table().get_mut(&self.key) {
            operation.step = "has ended".into();
            operation.so_far = Value::Null;
            operation.end = Some(End { at_ms: clock::now_ms(), problem, result });
        }
    }
}

/// Forgets operations of a tenant that ended long ago, and the oldest ended ones beyond the limit.
fn forget(table: &mut Table, tenant: &str) {
    let kept_ms = OPERATION_KEPT.as_millis() as i64;
    let now = clock::now_ms();
    table.retain(|_, operation| operation.end.as_ref().is_none_or(|end| now - end.at_ms < kept_ms));
    let of = |table: &Table| table.keys().filter(|(of, _)| of == tenant).count();
    while of(table) >= OPERATIONS_MAX {
        let ended = table.iter().filter(|((of, _), operation)| of == tenant && operation.end.is_some());
        let Some(oldest) = ended.min_by_key(|(_, operation)| operation.began_ms).map(|(key, _)| key.clone()) else {
            break;
        };
        table.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn ended(operations: &Operations, id: &str) -> End {
        for _ in 0..1_000 {
            if let Some(end) = operations.get("acme", id).unwrap().end {
                return end;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("the operation has not ended");
    }

    #[tokio::test]
    async fn an_operation_ends_with_its_result_its_problem_or_a_panic() {
        let operations = Operations::default();
        let good = operations.start("acme", "swap", Some("web"), |_| async { Ok(json!(1)) }).unwrap();
        assert_eq!(ended(&operations, &good.id).await.result, json!(1));
        let bad = operations.start("acme", "swap", None, |_| async { Err(Refusal::not_found("job")) }).unwrap();
        assert_eq!(ended(&operations, &bad.id).await.problem.unwrap().status, 404);
        let panics = operations.start("acme", "swap", None, |_| async { panic!("of the test") }).unwrap();
        assert_eq!(ended(&operations, &panics.id).await.problem.unwrap().status, 500);
        assert!(operations.get("umbrella", &good.id).is_err(), "of another tenant");
    }

    #[tokio::test]
    async fn operations_are_listed_newest_first_by_job_and_kind() {
        let operations = Operations::default();
        for (n, (tenant, kind, job)) in [
            ("acme", "swap", "web"),
            ("acme", "canary", "web"),
            ("acme", "canary", "api"),
            ("umbrella", "canary", "web"),
        ]
        .into_iter()
        .enumerate()
        {
            let begun = operations.start(tenant, kind, Some(job), |_| async { Ok(json!(null)) }).unwrap();
            operations.table().get_mut(&(tenant.into(), begun.id)).unwrap().began_ms = n as i64;
        }
        let listed = |job, kind| -> Vec<i64> {
            operations.of("acme", job, kind).into_iter().map(|operation| operation.began_ms).collect()
        };
        assert_eq!(listed(None, None), [2, 1, 0]);
        assert_eq!(listed(Some("web"), None), [1, 0]);
        assert_eq!(listed(Some("web"), Some("canary")), [1]);
    }

    #[tokio::test]
    async fn an_operation_has_what_it_has_found_so_far_until_its_end() {
        let operations = Operations::default();
        let (go, goes) = tokio::sync::oneshot::channel::<()>();
        let begun = operations.start("acme", "canary", None, |progress| async move {
            progress.found("compares", json!(7));
            _ = goes.await;
            Ok(json!(8))
        });
        let id = begun.unwrap().id;
        while operations.get("acme", &id).unwrap().so_far != json!(7) {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        assert_eq!(ended(&operations, &id).await.result, json!(8));
        assert_eq!(operations.get("acme", &id).unwrap().so_far, Value::Null);
    }
}
