//! The node: its parts, and how they start and stop.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowgate_api::quota::Quotas;
use flowgate_api::token::{NewToken, Role};
use flowgate_base::error::{Error, Result};
use flowgate_base::{clock, folders};
use flowgate_worker::program::Program;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::access::Access;
use crate::api::connection;
use crate::api::refusal::{Answer, Refusal};
use crate::api::tls::Tls;
use crate::catalog::{Catalog, CatalogError, Change, JobRecord, TenantRecord, TokenRecord, key};
use crate::compiler::Compiler;
use crate::config::Log;
use crate::groups::Groups;
use crate::job::folder::{hidden_of_node, private};
use crate::job::{JobHandle, adopt};
use crate::limits::{BLOCKING_MAX, COUNTED_MAX, NodeLimits, REQUESTS_OF_TENANT_MAX};
use crate::metrics::requests::Requests;
use crate::operations::Operations;
use crate::rate::Rates;
use crate::room::Admissions;
use crate::sizes::Sizes;
use crate::statuses::Statuses;
use crate::streams::Streams;
use crate::traces::{Destination, Export};
use crate::vault::Vault;
use crate::{api, log, registry, token};

/// The file of the catalog, in the data folder.
const CATALOG: &str = "catalog.redb";

/// How a node runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder.
    pub data: PathBuf,
    /// The address of the API.
    pub listen: SocketAddr,
    /// The files of the certificate and its key; absent: no TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The file of the key that encrypts secrets; absent: `node.key` in the data folder.
    pub key: Option<PathBuf>,
    /// The program that runs workers.
    pub exe: PathBuf,
    /// The form and the least level of the node's own log.
    pub log: Log,
    /// The quotas of tenants that are created with none of their own.
    pub quotas: Quotas,
    /// Time from one checkpoint to the next of jobs that say nothing of checkpoints.
    pub checkpoint_every: Duration,
    /// Limits of the node.
    pub limits: NodeLimits,
    /// Where traces of control operations go.
    pub traces: Option<Destination>,
}

impl Settings {
    /// The file of the key that encrypts secrets.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.key.clone().unwrap_or_else(|| self.data.join("node.key"))
    }

    /// The data folder by all its paths: as it was given, and without symbolic links.
    pub(crate) fn data_paths(&self) -> Vec<PathBuf> {
        // One that is not there yet has no other path.
        let resolved = self.data.canonicalize().ok().filter(|resolved| *resolved != self.data);
        std::iter::once(self.data.clone()).chain(resolved).collect()
    }

    /// The catalog.
    pub(crate) fn catalog(&self) -> PathBuf {
        self.data.join(CATALOG)
    }

    /// The components of a tenant.
    pub(crate) fn plugins(&self, tenant: &str) -> PathBuf {
        self.data.join("plugins").join(tenant)
    }

    /// The machine code of a tenant's components. No tenant evicts another's.
    pub(crate) fn compiled(&self, tenant: &str) -> PathBuf {
        self.data.join("compiled").join(tenant).join("flowgate").join("compiled")
    }

    /// Where sockets are whose own folder has too long a path.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.data.join("run")
    }
}

/// A node.
pub struct Node {
    pub(crate) settings: Settings,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) vault: Vault,
    pub(crate) rates: Rates,
    pub(crate) compiler: Compiler,
    pub(crate) groups: Groups,
    pub(crate) operations: Operations,
    pub(crate) streams: Streams,
    pub(crate) at_once: Streams,
    pub(crate) statuses: Statuses,
    pub(crate) sizes: Sizes,
    pub(crate) requests: Requests,
    pub(crate) refusals: Mutex<BTreeMap<(String, String), u64>>,
    /// The program that it runs.
    pub(crate) program: Option<Program>,
    /// When it was started, Unix milliseconds.
    pub(crate) since_ms: i64,
    pub(crate) admissions: Admissions,
    /// Held while the files of components change together with what the catalog says of them.
    pub(crate) components: Mutex<()>,
    stops: AtomicBool,
    access: Access,
    jobs: Mutex<BTreeMap<(String, String), Arc<JobHandle>>>,
}

/// A node that serves.
pub struct Serving {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The first token of an administrator, if the catalog is new: shown once.
    pub first_token: Option<String>,
    node: Arc<Node>,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
    export: Export,
}

/// What becomes of the jobs of a node that stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// They go on. The next node finds them.
    Continue,
    /// They stop with a checkpoint. The next node starts them again.
    Stop,
}

impl Node {
    /// Opens the data folder, takes its jobs over and serves the API. Needs a runtime of several threads.
    ///
    /// # Errors
    /// The folder, the key, the certificate or the address cannot be used; another node has the folder.
    pub async fn serve(settings: Settings) -> Result<Serving> {
        log::set(log::Log::new(settings.log.level, settings.log.format));
        let export = Export::start(settings.traces.as_ref())?;
        private(&settings.data)?;
        private(&settings.sockets())?;
        folders::hide(&settings.data_paths().iter().map(|data| hidden_of_node(data)).collect::<Vec<_>>());
        let catalog = Arc::new(Catalog::open(&settings.catalog())?);
        registry::sweep(&settings.data.join("plugins"));
        raise_open_files();
        let vault = Vault::open(&settings.key_file())?;
        let tls =
            settings.tls.as_ref().map(|(certificate, key)| Tls::open(certificate, key)).transpose()?.map(Arc::new);
        let cannot = |error: std::io::Error| Error::io(format!("cannot listen on {}", settings.listen), &error);
        let listener = TcpListener::bind(settings.listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let first_token = first_token(&catalog)?;
        let operations = Operations::open(&catalog)?;
        let (routes, document) = api::router::routes();
        let groups = say_what_holds();
        let limits = settings.limits;
        let node = Arc::new(Node {
            settings,
            catalog,
            vault,
            rates: Rates::new(COUNTED_MAX),
            compiler: Compiler::new(limits.compilations),
            groups,
            operations,
            streams: Streams::new("streams", limits.streams_of_tenant),
            at_once: Streams::new("requests", REQUESTS_OF_TENANT_MAX),
            statuses: Statuses::default(),
            sizes: Sizes::default(),
            requests: Requests::default(),
            refusals: Mutex::default(),
            program: Program::own(),
            since_ms: clock::now_ms(),
            admissions: Admissions::default(),
            components: Mutex::default(),
            stops: AtomicBool::new(false),
            access: Access::of(&document),
            jobs: Mutex::default(),
        });
        node.take_over()?;
        let router = api::router::router(routes, &document, &node);
        let (stop, stopped) = watch::channel(false);
        if let Some(tls) = &tls {
            tokio::spawn(Arc::clone(tls).watch());
        }
        let server = tokio::spawn(connection::serve(listener, router, tls, limits, stopped));
        Ok(Serving { address, first_token, node, stop, server, export })
    }

    /// Takes over the jobs of the catalog.
    fn take_over(self: &Arc<Self>) -> Result<()> {
        let records = self.catalog.read(|view| view.all::<JobRecord>(""))?;
        let known: BTreeSet<&str> = records.iter().map(|(key, _)| key.as_str()).collect();
        self.groups.sweep(|tenant, job| job.is_some_and(|job| known.contains(key::within(tenant, job).as_str())));
        let mut jobs = self.jobs();
        for (key, record) in records {
            if let Some((tenant, name)) = key.split_once('/') {
                let handle = adopt(self, tenant, name, &record, true);
                jobs.insert((tenant.into(), name.into()), handle);
            }
        }
        Ok(())
    }

    /// Whether the node stops, together with its jobs: no worker process is started any more.
    pub(crate) fn stops(&self) -> bool {
        self.stops.load(SeqCst)
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<(String, String), Arc<JobHandle>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the jobs of a tenant, or of all, by name.
    pub(crate) fn jobs_of(&self, tenant: Option<&str>) -> Vec<Arc<JobHandle>> {
        let jobs = self.jobs();
        jobs.values().filter(|job| tenant.is_none_or(|tenant| job.tenant == tenant)).cloned().collect()
    }

    /// Returns a job.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn job(&self, tenant: &str, name: &str) -> Answer<Arc<JobHandle>> {
        self.find_job(tenant, name).ok_or_else(|| Refusal::not_found("job"))
    }

    /// Returns a job, if there is one.
    pub(crate) fn find_job(&self, tenant: &str, name: &str) -> Option<Arc<JobHandle>> {
        self.jobs().get(&(tenant.to_string(), name.to_string())).cloned()
    }

    /// Adds a job that is in the catalog.
    pub(crate) fn add_job(self: &Arc<Self>, tenant: &str, name: &str, record: &JobRecord) -> Arc<JobHandle> {
        let handle = adopt(self, tenant, name, record, false);
        self.jobs().insert((tenant.into(), name.into()), Arc::clone(&handle));
        handle
    }

    /// Removes a job that is no longer in the catalog.
    pub(crate) fn remove_job(&self, tenant: &str, name: &str) {
        self.jobs().remove(&(tenant.to_string(), name.to_string()));
    }

    /// Returns a tenant.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn tenant(&self, tenant: &str) -> Answer<TenantRecord> {
        let found = self.catalog.read(|view| view.get::<TenantRecord>(tenant))?;
        found.ok_or_else(|| Refusal::not_found("tenant"))
    }

    /// Returns the requests a second that a token of a tenant, or of the node, may make.
    pub(crate) fn requests_per_s(&self, tenant: Option<&str>) -> Answer<f64> {
        match tenant {
            None => Ok(self.settings.limits.requests_per_s),
            Some(tenant) => Ok(self.tenant(tenant)?.quotas.requests_per_s.max(1) as f64),
        }
    }

    /// Returns the number of events that are kept of a tenant's jobs.
    pub(crate) fn history_kept(&self, change: &Change, tenant: &str) -> std::result::Result<u64, CatalogError> {
        Ok(change.get::<TenantRecord>(tenant)?.unwrap_or_default().quotas.history)
    }
}

/// Says which limits of worker processes this system enforces, and makes the groups in which it does.
fn say_what_holds() -> Groups {
    match flowgate_confine::supported() {
        Ok(report) => {
            log::info(&format!("jobs are confined by: {}", report.enforced.join(", ")));
            for lacking in report.not_enforced {
                log::warning(&format!("this system does not enforce: {lacking}"));
            }
        }
        Err(error) => log::warning(&format!("what confines jobs is not known: {error}")),
    }
    let (groups, line) = Groups::detect();
    log::info(&line);
    groups
}

/// Makes the first token of a new catalog.
fn first_token(catalog: &Catalog) -> Result<Option<String>> {
    if !catalog.read(|view| view.list::<TokenRecord>("", None, 1))?.is_empty() {
        return Ok(None);
    }
    administrator(catalog, "first").map(Some)
}

/// Makes a token of an administrator of the node, which does not expire. Returns its text.
fn administrator(catalog: &Catalog, name: &str) -> Result<String> {
    let request = NewToken { name: name.into(), role: Role::Admin, expires_in_s: None };
    let (record, created) = token::make(None, &request, clock::now_ms())?;
    catalog.change(|change| change.put(&created.token.id, &record))?;
    Ok(created.text)
}

impl Serving {
    /// Stops serving. Requests that are being served end; what becomes of the jobs is the caller's choice.
    pub async fn stop(self, jobs: Jobs) {
        // The server may have ended.
        let _ = self.stop.send(true);
        let _ = self.server.await;
        if jobs == Jobs::Stop {
            stop_jobs(&self.node).await;
        }
        self.export.end().await;
    }
}

/// Stops the jobs of a node that no longer serves.
async fn stop_jobs(node: &Node) {
    let running: Vec<_> = node.jobs_of(None).into_iter().filter(|job| job.state().machine.is_live()).collect();
    log::info(&format!("{} jobs are being stopped", running.len()));
    node.stops.store(true, SeqCst);
    for job in &running {
        job.terminate();
    }
    let all = async {
        for job in &running {
            job.rested().await;
        }
    };
    let within = node.settings.limits.stop_within;
    if tokio::time::timeout(within, all).await.is_err() {
        log::warning(&format!("some jobs have not stopped within {} s; they go on", within.as_secs()));
    }
}

/// Allows as many open files as the system does: a connection is one, and so is a job.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Fewer will do for a while.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Returns a runtime for a node.
///
/// # Errors
/// The system refuses threads.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("flowgate-node")
        .max_blocking_threads(BLOCKING_MAX)
        .build()
        .map_err(|error| Error::io("cannot start threads", &error))
}

/// Resets the first token: makes another one for the node's administrators, for somebody who has lost it. No node may run.
///
/// # Errors
/// A node has the folder, or the catalog cannot be written.
pub fn recover_token(data: &Path) -> Result<String> {
    administrator(&Catalog::open(&data.join(CATALOG))?, "recovered")
}
