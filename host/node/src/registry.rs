//! The registry of plugins: components by their content, versions by name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use data_encoding::HEXLOWER;
use flowgate_api::plugin::{Function, PluginVersion};
use flowgate_api::problem::Code;
use flowgate_base::error::Error;
use flowgate_base::{clock, random, secret};
use flowgate_worker::inspect::{Inspected, Inspection};
use flowgate_worker::spawn;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tracing::Span;

use crate::api::refusal::{Answer, Refusal};
use crate::catalog::{JobRecord, Pinned, PluginRecord, TenantRecord, key};
use crate::job::assign::component;
use crate::job::folder::private;
use crate::limits::{INSPECT_WITHIN, PART_WITHIN, PUSH_WITHIN};
use crate::node::Node;
use crate::token::Principal;
use crate::traces;

/// Bytes of one component: what the wall admits.
const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// A component that has arrived, in a file of its own until it is in the registry.
struct Arrived {
    path: PathBuf,
    digest: String,
    size_bytes: u64,
}

impl Drop for Arrived {
    fn drop(&mut self) {
        // It was moved, or is not wanted.
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes a component in: admits and compiles it in a child process, and gives it the next version of its name. Returns whether it
/// is new: the content of the newest version, pushed again, is that version.
///
/// # Errors
/// It is no plugin, or a quota is used up.
pub(crate) async fn push(
    node: &Arc<Node>,
    tenant: &str,
    name: &str,
    by: &Principal,
    body: Body,
) -> Answer<(PluginVersion, bool)> {
    flowgate_api::name::check("plugin", name).map_err(|wrong| Refusal::new(Code::Invalid, wrong))?;
    let quotas = node.tenant(tenant)?.quotas;
    let folder = node.settings.plugins(tenant);
    private(&folder)?;
    private(&node.settings.compiled(tenant))?;
    // Before it arrives: what is being received takes room on the disk.
    let place = node.compiler.place(tenant)?;
    let arrived = receive(body, &folder).await?;
    let all = node.catalog.read(|view| view.all::<PluginRecord>(&key::of(&[tenant])))?;
    let of_name = all.iter().filter(|(_, record)| record.0.name == name).map(|(_, record)| &record.0);
    if let Some(newest) = of_name.max_by_key(|version| version.version).filter(|newest| newest.digest == arrived.digest)
    {
        return Ok((newest.clone(), false));
    }
    if all.len() as u64 >= quotas.plugins {
        return Err(Refusal::quota("plugins", quotas.plugins, "delete a version that no job uses"));
    }
    let known = all.iter().any(|(_, record)| record.0.digest == arrived.digest);
    let bytes: u64 = all.iter().map(|(_, record)| record.0.size_bytes).sum();
    if !known && bytes + arrived.size_bytes > quotas.plugin_bytes {
        return Err(Refusal::quota("plugin_bytes", quotas.plugin_bytes, "delete a version that no job uses"));
    }
    if !known {
        let per_s = quotas.compiles_per_min as f64 / 60.0;
        let taken =
            node.rates.take(&format!("compile/{tenant}"), per_s, quotas.compiles_per_min as f64, clock::monotonic());
        taken.map_err(|seconds| {
            Refusal::quota("compiles_per_min", quotas.compiles_per_min, &format!("try again in {seconds} s"))
                .retry_after(seconds)
        })?;
    }
    let turn = node.compiler.turn_of(place).await?;
    let began = clock::monotonic();
    let (of_node, of_tenant, path) = (Arc::clone(node), tenant.to_string(), arrived.path.clone());
    let here = Span::current();
    let inspected = tokio::task::spawn_blocking(move || here.in_scope(|| inspect(&of_node, &of_tenant, &path))).await;
    let inspected = inspected.unwrap_or_else(|_| Err(Error::internal("an inspection has panicked").into()));
    node.compiler.note(inspected.is_ok());
    let inspected = inspected?;
    node.compiler.note_seen(tenant, &arrived.digest, true);
    drop(turn);
    let compile_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let kept = component(node, tenant, &arrived.digest);
    let _files = node.components.lock().unwrap_or_else(PoisonError::into_inner);
    fs::rename(&arrived.path, &kept).map_err(|error| stored(&kept, &error))?;
    node.catalog.change(|change| {
        if change.get::<TenantRecord>(tenant)?.is_none() {
            return Err(Refusal::not_found("tenant"));
        }
        let number = change.next_number(&format!("plugins/{tenant}/{name}"))?;
        let version = PluginVersion {
            name: name.into(),
            version: u32::try_from(number).unwrap_or(u32::MAX),
            digest: arrived.digest.clone(),
            size_bytes: arrived.size_bytes,
            pushed_ms: clock::now_ms(),
            pushed_by: by.name.clone(),
            contract: inspected.contract,
            imports: inspected.imports,
            functions: inspected.functions.into_iter().map(function).collect(),
            compile_ms: if known { 0 } else { compile_ms },
        };
        change.put(&key::numbered(tenant, name, number), &PluginRecord(version.clone()))?;
        Ok((version, true))
    })
}

/// Receives a component into a file of its own.
async fn receive(mut body: Body, folder: &Path) -> Answer<Arrived> {
    let unfinished = folder.join(format!(".{}", HEXLOWER.encode(&random::bytes::<8>()?)));
    let failed = |error: &io::Error| stored(&unfinished, error);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(|error| failed(&error))?;
    let mut arrived = Arrived { path: unfinished.clone(), digest: String::new(), size_bytes: 0 };
    let mut digest = Sha256::new();
    let until = clock::monotonic() + PUSH_WITHIN;
    let slow = |_| Refusal::new(Code::TooSlow, "the component arrives too slowly");
    loop {
        let left = until.saturating_duration_since(clock::monotonic()).min(PART_WITHIN);
        let part = match tokio::time::timeout(left, body.frame()).await.map_err(slow)? {
            None => break,
            Some(Err(_)) => return Err(Refusal::new(Code::BadRequest, "the component ended before its end")),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        arrived.size_bytes += part.len() as u64;
        if arrived.size_bytes > COMPONENT_BYTES_MAX as u64 {
            return Err(Refusal::new(Code::TooLarge, format!("a component may have {COMPONENT_BYTES_MAX} bytes")));
        }
        digest.update(&part);
        file.write_all(&part).map_err(|error| failed(&error))?;
    }
    block_in_place(|| file.sync_all()).map_err(|error| failed(&error))?;
    arrived.digest = HEXLOWER.encode(&digest.finalize());
    Ok(arrived)
}

/// Admits, compiles and describes a component in a process of its own, which is confined. Blocks.
fn inspect(node: &Node, tenant: &str, path: &Path) -> Answer<Inspected> {
    let _span = traces::step("inspect", tenant).entered();
    let inspection = Inspection { component: path.into(), compiled: node.settings.compiled(tenant) };
    let group = node.groups.of_checks(tenant, &node.tenant(tenant)?.quotas)?;
    let found = group.said(spawn::inspect(&node.settings.exe, &inspection, INSPECT_WITHIN, group.group()));
    // The file's name is of the node alone.
    let beginning = format!("plugin {}: ", path.display());
    found.map_err(|refusal| refusal.without(&secret::conceal(&beginning)))
}

/// Compiles the components of a job of which this node has not seen machine code yet: behind a restore, or an upgrade of the compiler,
/// there is none, and a worker process that runs a job may not make it. Blocks.
///
/// # Errors
/// A component is gone, or cannot be compiled.
pub(crate) fn compile_again(node: &Node, tenant: &str, pinned: &[Pinned]) -> Answer<()> {
    for digest in pinned.iter().map(|pinned| &pinned.digest) {
        if node.compiler.has_seen(tenant, digest) {
            continue;
        }
        let _turn = Handle::current().block_on(node.compiler.own_turn())?;
        private(&node.settings.compiled(tenant))?;
        inspect(node, tenant, &component(node, tenant, digest))?;
        node.compiler.note_seen(tenant, digest, true);
    }
    Ok(())
}

fn function(info: flowgate_wall::binding::FunctionInfo) -> Function {
    let columns = info.inputs.iter().flatten().map(ToString::to_string).collect();
    Function {
        name: info.name,
        kind: info.kind.name().into(),
        doc: info.doc,
        columns,
        config_schema: info.config_schema,
    }
}

fn stored(path: &Path, error: &io::Error) -> Refusal {
    Error::io(format!("cannot write {}", path.display()), error).into()
}

/// Opens the component of a version. Returns its bytes, too.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn open(node: &Node, tenant: &str, digest: &str) -> Answer<(File, u64)> {
    let path = component(node, tenant, digest);
    let opened = File::open(&path).and_then(|file| file.metadata().map(|of| (file, of.len())));
    Ok(opened.map_err(|error| Error::io(format!("cannot read {}", path.display()), &error))?)
}

/// Removes what a node that was killed has left of components that arrived.
pub(crate) fn sweep(plugins: &Path) {
    let folders = fs::read_dir(plugins).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    for file in files.filter(|file| file.file_name().to_string_lossy().starts_with('.')) {
        // What is left costs room alone.
        let _ = fs::remove_file(file.path());
    }
}

/// Removes a version that no job uses. Its number is not used again.
///
/// # Errors
/// There is none, or a job uses it.
pub(crate) fn delete(node: &Node, tenant: &str, name: &str, version: u32) -> Answer<()> {
    let _files = node.components.lock().unwrap_or_else(PoisonError::into_inner);
    let (digest, is_last) = node.catalog.change(|change| {
        let of = key::numbered(tenant, name, u64::from(version));
        let Some(record) = change.get::<PluginRecord>(&of)? else { return Err(Refusal::not_found("plugin version")) };
        let jobs = change.all::<JobRecord>(&key::of(&[tenant]))?;
        let uses = |job: &JobRecord| job.pinned.iter().any(|pinned| pinned.name == name && pinned.version == version);
        let users: Vec<&str> = jobs.iter().filter(|(_, job)| uses(job)).map(|(job, _)| job.as_str()).collect();
        if !users.is_empty() {
            let detail =
                format!("`{name}@{version}` is used by {}; delete or change these jobs first", users.join(", "));
            return Err(Refusal::new(Code::Conflict, detail));
        }
        change.remove::<PluginRecord>(&of)?;
        let others = change.all::<PluginRecord>(&key::of(&[tenant]))?;
        let is_last = others.iter().all(|(_, other)| other.0.digest != record.0.digest);
        Ok((record.0.digest, is_last))
    })?;
    if is_last {
        // A file that nobody names costs room alone.
        let _ = fs::remove_file(component(node, tenant, &digest));
        node.compiler.note_seen(tenant, &digest, false);
    }
    Ok(())
}

/// Returns every way to name a plugin of a tenant in a job file: `NAME`, which is its newest version, and `NAME@VERSION`.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) fn namable(node: &Node, tenant: &str) -> Answer<Vec<Pinned>> {
    let all = node.catalog.read(|view| view.all::<PluginRecord>(&key::of(&[tenant])))?;
    let mut pinned: Vec<Pinned> = Vec::new();
    for (_, PluginRecord(of)) in all {
        let named = |plugin: String| Pinned {
            operator: None,
            plugin,
            name: of.name.clone(),
            version: of.version,
            digest: of.digest.clone(),
        };
        // In the order of their versions: the newest comes last.
        pinned.retain(|earlier| earlier.plugin != of.name);
        pinned.push(named(of.name.clone()));
        pinned.push(named(format!("{}@{}", of.name, of.version)));
    }
    Ok(pinned)
}

/// Returns a version of a plugin; without a number, the newest.
///
/// # Errors
/// There is none.
pub(crate) fn version(node: &Node, tenant: &str, name: &str, version: Option<u32>) -> Answer<PluginVersion> {
    let found = node.catalog.read(|view| match version {
        None => view.newest::<PluginRecord>(&key::of(&[tenant, name]), None)?.next().transpose(),
        Some(version) => view.get(&key::numbered(tenant, name, u64::from(version))),
    })?;
    found.map(|PluginRecord(version)| version).ok_or_else(|| Refusal::not_found("plugin version"))
}
