//! Operations: what takes longer than a request. How each began and ended is in the catalog, so that a node that starts again knows them;
//! their steps are not.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE32_NOPAD;
use flowgate_api::operation::{End, Operation};
use flowgate_api::problem::{Code, Problem};
use flowgate_base::{clock, random};
use serde_json::Value;
use tracing::Instrument;

use crate::api::refusal::{Answer, Refusal};
use crate::catalog::{Catalog, CatalogError, Change, OperationRecord, key};
use crate::limits::{OPERATION_KEPT, OPERATIONS_AT_ONCE_MAX, OPERATIONS_MAX};
use crate::log;
use crate::traces::{self, Cause};

/// Operations by tenant and id.
type Table = BTreeMap<(String, String), Operation>;

/// The operations of all tenants.
pub(crate) struct Operations {
    catalog: Arc<Catalog>,
    /// Those that go on, with their steps, and those whose end is not in the catalog because that could not be written.
    going: Going,
}

#[derive(Clone, Default)]
struct Going(Arc<Mutex<Table>>);

/// An operation that goes on.
#[derive(Clone)]
pub(crate) struct Progress {
    going: Going,
    key: (String, String),
}

impl Operations {
    /// Takes over the operations of an earlier node: those that went on when it ended have ended with it.
    ///
    /// # Errors
    /// The catalog cannot be used.
    pub(crate) fn open(catalog: &Arc<Catalog>) -> Result<Operations, CatalogError> {
        let now = clock::now_ms();
        catalog.change(|change| {
            for (key, OperationRecord(mut operation)) in change.all::<OperationRecord>("")? {
                if is_forgotten(&operation, now) {
                    change.remove::<OperationRecord>(&key)?;
                } else if operation.end.is_none() {
                    let problem = Problem::new(Code::Interrupted, "the node ended while it went on");
                    end(&mut operation, Err(problem.into()), now);
                    change.put(&key, &OperationRecord(operation))?;
                }
            }
            Ok::<_, CatalogError>(())
        })?;
        Ok(Operations { catalog: Arc::clone(catalog), going: Going::default() })
    }

    /// Starts an operation, and returns it as it begins. N1: it is in the catalog by then.
    ///
    /// # Errors
    /// Too many of the tenant go on, the system has no randomness, or the catalog cannot be written.
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
        self.going.admit(&key, &operation)?;
        let noted = self.catalog.change(|change| {
            forget(change, tenant, operation.began_ms)?;
            change.put(&key::within(tenant, &key.1), &OperationRecord(operation.clone()))
        });
        if let Err(error) = noted {
            self.going.table().remove(&key);
            return Err(Refusal::from(error));
        }
        let progress = Progress { going: self.going.clone(), key };
        let span = traces::operation(kind, tenant, job, &Cause::here());
        let work = work(progress.clone()).instrument(span.clone());
        let catalog = Arc::clone(&self.catalog);
        tokio::spawn(async move {
            // A panic ends the operation, too.
            let result = match tokio::spawn(work).await {
                Ok(result) => result,
                Err(_) => Err(Refusal::from(flowgate_base::error::Error::internal("an operation has panicked"))),
            };
            if let Err(refusal) = &result {
                traces::failed(&span, refusal.title());
            }
            progress.end(&catalog, result);
        });
        Ok(operation)
    }

    /// Returns an operation.
    ///
    /// # Errors
    /// There is none of that id, or no longer.
    pub(crate) fn get(&self, tenant: &str, id: &str) -> Answer<Operation> {
        // In this order: one that ends meanwhile is in the catalog before it no longer goes on.
        let going = self.going.table().get(&(tenant.to_string(), id.to_string())).cloned();
        let found = match going {
            Some(operation) => Some(operation),
            None => {
                let ended = self.catalog.read(|view| view.get::<OperationRecord>(&key::within(tenant, id)))?;
                ended.map(|OperationRecord(operation)| operation)
            }
        };
        let now = clock::now_ms();
        found.filter(|found| !is_forgotten(found, now)).ok_or_else(|| Refusal::not_found("operation"))
    }

    /// Returns the operations of a tenant, newest first: those of a job and of a kind, where these are given.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub(crate) fn of(&self, tenant: &str, job: Option<&str>, kind: Option<&str>) -> Answer<Vec<Operation>> {
        let is_wanted = |operation: &Operation| {
            job.is_none_or(|job| operation.job.as_deref() == Some(job))
                && kind.is_none_or(|kind| operation.kind == kind)
        };
        // In this order, as above.
        let going: Vec<Operation> = {
            let table = self.going.table();
            table.iter().filter(|((of, _), _)| of == tenant).map(|(_, operation)| operation.clone()).collect()
        };
        let noted = self.catalog.read(|view| view.all::<OperationRecord>(&key::of(&[tenant])))?;
        // One that goes on has its step, which the catalog does not.
        let all = noted.into_iter().map(|(_, OperationRecord(operation))| operation).chain(going);
        let by_id: BTreeMap<String, Operation> = all.map(|operation| (operation.id.clone(), operation)).collect();
        let now = clock::now_ms();
        let mut found: Vec<Operation> =
            by_id.into_values().filter(|operation| is_wanted(operation) && !is_forgotten(operation, now)).collect();
        found.sort_by(|a, b| (b.began_ms, &b.id).cmp(&(a.began_ms, &a.id)));
        Ok(found)
    }
}

impl Going {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an operation that begins.
    ///
    /// # Errors
    /// Too many of the tenant go on.
    fn admit(&self, key: &(String, String), operation: &Operation) -> Answer<()> {
        let mut table = self.table();
        table.retain(|_, of| !is_forgotten(of, operation.began_ms));
        let going = table.iter().filter(|((of, _), operation)| *of == key.0 && operation.end.is_none()).count();
        if going >= OPERATIONS_AT_ONCE_MAX {
            let detail = format!("{going} operations of the tenant go on; wait for the end of one of them");
            return Err(Refusal::new(Code::TooMany, detail).retry_after(2));
        }
        table.insert(key.clone(), operation.clone());
        Ok(())
    }
}

impl Progress {
    /// The progress of what no operation shows.
    pub(crate) fn unseen() -> Progress {
        Progress { going: Going::default(), key: Default::default() }
    }

    /// Says what it does now.
    pub(crate) fn step(&self, step: impl Into<String>) {
        if let Some(operation) = self.going.table().get_mut(&self.key) {
            operation.step = step.into();
        }
    }

    /// Says what it does now, and what it has found so far.
    pub(crate) fn found(&self, step: impl Into<String>, so_far: Value) {
        if let Some(operation) = self.going.table().get_mut(&self.key) {
            operation.step = step.into();
            operation.so_far = so_far;
        }
    }

    /// N1: the end is in the catalog before anybody is told.
    fn end(&self, catalog: &Catalog, result: Answer<Value>) {
        let Some(mut operation) = self.going.table().get(&self.key).cloned() else { return };
        end(&mut operation, result, clock::now_ms());
        let key = key::within(&self.key.0, &self.key.1);
        let noted = catalog.change(|change| {
            // One that is not there went with its tenant.
            match change.get::<OperationRecord>(&key)? {
                Some(_) => change.put(&key, &OperationRecord(operation.clone())),
                None => Ok(()),
            }
        });
        match noted {
            Ok(()) => _ = self.going.table().remove(&self.key),
            Err(error) => {
                log::error(&format!("the end of an operation is not in the catalog: {error}"));
                self.going.table().insert(self.key.clone(), operation);
            }
        }
    }
}

fn end(operation: &mut Operation, result: Answer<Value>, at_ms: i64) {
    let (problem, result) = match result {
        Ok(result) => (None, result),
        Err(refusal) => (Some(refusal.into_problem()), Value::Null),
    };
    operation.step = "has ended".into();
    operation.so_far = Value::Null;
    operation.end = Some(End { at_ms, problem, result });
}

/// Whether an operation ended so long ago that nobody asks for it.
fn is_forgotten(operation: &Operation, now_ms: i64) -> bool {
    operation.end.as_ref().is_some_and(|end| now_ms - end.at_ms >= OPERATION_KEPT.as_millis() as i64)
}

/// Removes operations of a tenant that ended long ago, and the oldest ended ones, so that there is room for another one.
fn forget(change: &Change, tenant: &str, now_ms: i64) -> Result<(), CatalogError> {
    let all = change.all::<OperationRecord>(&key::of(&[tenant]))?;
    let (old, mut kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, of)| is_forgotten(&of.0, now_ms));
    let beyond = (kept.len() + 1).saturating_sub(OPERATIONS_MAX);
    kept.sort_by_key(|(_, of)| (of.0.end.is_none(), of.0.began_ms));
    let beyond = kept.into_iter().filter(|(_, of)| of.0.end.is_some()).take(beyond);
    for (id, _) in old.into_iter().chain(beyond) {
        change.remove::<OperationRecord>(&key::within(tenant, &id))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn opened(folder: &tempfile::TempDir) -> (Arc<Catalog>, Operations) {
        let catalog = Arc::new(Catalog::open(&folder.path().join("c")).unwrap());
        let operations = Operations::open(&catalog).unwrap();
        (catalog, operations)
    }

    /// Waits until something is there.
    async fn comes<T>(found: impl Fn() -> Option<T>) -> T {
        for _ in 0..10_000 {
            if let Some(found) = found() {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("it does not come");
    }

    async fn ended(operations: &Operations, id: &str) -> End {
        comes(|| operations.get("acme", id).unwrap().end).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_operation_ends_with_its_result_its_problem_or_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let (_, operations) = opened(&folder);
        let good = operations.start("acme", "swap", Some("web"), |_| async { Ok(json!(1)) }).unwrap();
        assert_eq!(ended(&operations, &good.id).await.result, json!(1));
        let bad = operations.start("acme", "swap", None, |_| async { Err(Refusal::not_found("job")) }).unwrap();
        assert_eq!(ended(&operations, &bad.id).await.problem.unwrap().status, 404);
        let panics = operations.start("acme", "swap", None, |_| async { panic!("of the test") }).unwrap();
        assert_eq!(ended(&operations, &panics.id).await.problem.unwrap().status, 500);
        assert!(operations.get("umbrella", &good.id).is_err(), "of another tenant");
    }

    /// Goal: a node that starts knows what the one before has answered. Method: one operation that has ended, one that never does.
    #[tokio::test(flavor = "multi_thread")]
    async fn operations_outlive_their_node() {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, operations) = opened(&folder);
        let good = operations.start("acme", "swap", Some("web"), |_| async { Ok(json!(1)) }).unwrap();
        let end = ended(&operations, &good.id).await;
        let endless = operations.start("acme", "stop", Some("web"), |_| std::future::pending()).unwrap();
        assert_eq!(operations.get("acme", &endless.id).unwrap().end, None);
        // Another node on the same catalog, of which this one knows nothing.
        let next = Operations::open(&catalog).unwrap();
        assert_eq!(next.get("acme", &good.id).unwrap().end, Some(end));
        let interrupted = next.get("acme", &endless.id).unwrap();
        assert_eq!(interrupted.end.unwrap().problem.unwrap().code, Code::Interrupted);
        assert_eq!((interrupted.kind, interrupted.began_ms), ("stop".into(), endless.began_ms));
    }

    /// An operation of the catalog.
    fn noted(id: &str, began_ms: i64, ended_ms: Option<i64>) -> Operation {
        let end = ended_ms.map(|at_ms| End { at_ms, problem: None, result: Value::Null });
        let (kind, step) = ("stop".into(), String::new());
        Operation { id: id.into(), kind, job: None, began_ms, step, so_far: Value::Null, end }
    }

    fn put(catalog: &Catalog, tenant: &str, operations: impl IntoIterator<Item = Operation>) {
        let put = |change: &Change| {
            operations.into_iter().try_for_each(|operation| {
                change.put(&key::within(tenant, &operation.id.clone()), &OperationRecord(operation))
            })
        };
        catalog.change(put).unwrap();
    }

    /// Goal: the list has those that have ended and those that go on, with their steps. Method: the former are in the catalog alone.
    #[tokio::test(flavor = "multi_thread")]
    async fn operations_are_listed_newest_first_by_job_and_kind() {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, operations) = opened(&folder);
        let (now, kept) = (clock::now_ms(), OPERATION_KEPT.as_millis() as i64);
        for (id, tenant, kind, job, ended_ms) in [
            ("0", "acme", "swap", "web", now),
            ("1", "acme", "canary", "web", now),
            ("2", "acme", "canary", "api", now),
            ("old", "acme", "canary", "web", now - kept),
            ("3", "umbrella", "canary", "web", now),
        ] {
            let operation = noted(id, now - 100 + id.parse().unwrap_or(0), Some(ended_ms));
            put(&catalog, tenant, [Operation { kind: kind.into(), job: Some(job.into()), ..operation }]);
        }
        let work = |progress: Progress| async move {
            progress.step("compares");
            std::future::pending().await
        };
        let begun = operations.start("acme", "canary", Some("web"), work).unwrap().id;
        let listed = |job, kind| -> Vec<String> {
            operations.of("acme", job, kind).unwrap().into_iter().map(|operation| operation.id).collect()
        };
        assert_eq!(listed(None, None), [&begun, "2", "1", "0"]);
        assert_eq!(listed(Some("web"), None), [&begun, "1", "0"]);
        assert_eq!(listed(Some("web"), Some("canary")), [&begun, "1"]);
        comes(|| (operations.of("acme", None, None).unwrap()[0].step == "compares").then_some(())).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_operation_has_what_it_has_found_so_far_until_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let (_, operations) = opened(&folder);
        let (go, goes) = tokio::sync::oneshot::channel::<()>();
        let begun = operations.start("acme", "canary", None, |progress| async move {
            progress.found("compares", json!(7));
            _ = goes.await;
            Ok(json!(8))
        });
        let id = begun.unwrap().id;
        comes(|| (operations.get("acme", &id).unwrap().so_far == json!(7)).then_some(())).await;
        go.send(()).unwrap();
        assert_eq!(ended(&operations, &id).await.result, json!(8));
        assert_eq!(operations.get("acme", &id).unwrap().so_far, Value::Null);
    }

    /// Goal: the catalog has at most `OPERATIONS_MAX` operations of a tenant, and none that ended long ago; those that go on stay.
    #[tokio::test(flavor = "multi_thread")]
    async fn operations_are_bounded_in_number_and_age() {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, operations) = opened(&folder);
        let (now, kept) = (clock::now_ms(), OPERATION_KEPT.as_millis() as i64);
        let old = noted("old", now - 2 * kept, Some(now - kept - 1));
        let ended = (0..OPERATIONS_MAX as i64).map(|at| noted(&format!("ended-{at}"), now - kept + at, Some(now)));
        put(&catalog, "acme", ended.chain([old.clone(), noted("going", now - 3 * kept, None)]));
        assert!(operations.get("acme", "old").is_err(), "nobody asks for it any more");
        operations.start("acme", "stop", None, |_| std::future::pending()).unwrap();
        let ids = catalog.read(|view| view.all::<OperationRecord>("acme/")).unwrap();
        let has = |id: &str| ids.iter().any(|(of, _)| of == id);
        assert_eq!(ids.len(), OPERATIONS_MAX);
        assert!(!has("old") && has("going") && !has("ended-0") && !has("ended-1") && has("ended-2"));
        put(&catalog, "acme", [old]);
        Operations::open(&catalog).unwrap();
        assert!(catalog.read(|view| view.get::<OperationRecord>("acme/old")).unwrap().is_none());
    }

    /// What ends behind the deletion of its tenant does not come back with another tenant of that name.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_operation_goes_with_its_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, operations) = opened(&folder);
        let (ends, end) = tokio::sync::oneshot::channel::<()>();
        let work = |_| async move { Ok(json!(end.await.is_ok())) };
        let begun = operations.start("acme", "dry_run", None, work).unwrap();
        catalog.change(|change| change.remove_all::<OperationRecord>("acme/")).unwrap();
        ends.send(()).unwrap();
        comes(|| operations.get("acme", &begun.id).err()).await;
    }
}
