//! Loading: from a file to a compiled component whose functions are known.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use super::admission::{Manifest, too_large};
use super::binding::FunctionInfo;
use super::cache;
use super::compile::{Artifact, CompileIn, compile};
use super::contract::{self, Exports};
use super::error::{CallError, LoadError};
use super::guest_log::{GuestLog, LogLevel, StderrLog};
use super::host_state::{HostState, Services};
use super::instance::Instance;
use super::judge::{self, Case};
use super::kept::Kept;
use super::limits::Limits;
use super::recorded::RecordLog;
use super::shares::Shares;
use super::ticker::Ticker;
use super::{describe, engine};
use flowgate_base::error::{Error, Fault, Result};

/// How plugins are compiled and what they may take.
#[derive(Clone)]
pub struct Settings {
    /// What plugins may take.
    pub limits: Limits,
    /// What all functions share of what they may take.
    pub shares: Shares,
    /// Where components are compiled.
    pub compile_in: CompileIn,
    /// Where compiled components are kept between runs; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// Takes the plugins' log lines.
    pub log: Arc<dyn GuestLog>,
    /// Takes calls that end without an answer; `None`: none is recorded.
    pub records: Option<Arc<dyn RecordLog>>,
    /// Whether configs were judged by another process, which started this one with the same ones: they are not judged again, which
    /// would need a child.
    pub configs_were_judged: bool,
}

impl Settings {
    /// Creates the settings of a program that embeds Flowgate: compiles in this process, unless FLOWGATE_EXE names a `flowgate`
    /// to do it in a child; keeps compiled components in the user's cache folder; logs to standard error.
    pub fn new(limits: Limits) -> Self {
        let exe = std::env::var_os("FLOWGATE_EXE").filter(|v| !v.is_empty());
        Settings {
            limits,
            shares: Shares::default(),
            compile_in: exe.map_or(CompileIn::ThisProcess, |exe| CompileIn::Child(exe.into())),
            cache: cache::folder_of_user(),
            log: Arc::new(StderrLog { least: LogLevel::Info }),
            records: None,
            configs_were_judged: false,
        }
    }

    /// Creates the settings of the `flowgate` command: as [`Settings::new`], but compiles in a child of this executable.
    pub fn of_command(limits: Limits) -> Result<Self> {
        let mut settings = Settings::new(limits);
        if settings.compile_in == CompileIn::ThisProcess {
            let exe = std::env::current_exe().map_err(|e| Error::io("cannot find this executable", &e))?;
            settings.compile_in = CompileIn::Child(exe);
        }
        Ok(settings)
    }

    /// Shows what plugins log from this level upwards, on standard error.
    pub fn log_from(self, least: LogLevel) -> Self {
        Settings { log: Arc::new(StderrLog { least }), ..self }
    }
}

/// Loads plugins; one for each process and set of limits.
#[derive(Clone)]
pub struct Plugins {
    wall: Arc<Wall>,
    loaded: Arc<Loaded>,
}

/// What all plugins of a process share.
pub(super) struct Wall {
    pub(super) engine: Engine,
    pub(super) limits: Arc<Limits>,
    pub(super) shares: Shares,
    pub(super) ticker: Ticker,
    pub(super) log: Arc<dyn GuestLog>,
    pub(super) records: Option<Arc<dyn RecordLog>>,
    linker: Linker<HostState>,
    pub(super) compile_in: CompileIn,
    cache: Option<PathBuf>,
    configs_were_judged: bool,
}

/// Plugins that were loaded or refused, by path and content: a job is checked, opened and run with the same ones.
type Loaded = Mutex<HashMap<(PathBuf, String), Result<Arc<Plugin>>>>;

/// Configs whose judgement is remembered: more than a job has operators.
const JUDGED_MAX: usize = 1_000;

/// What is wrong with configs that were judged, by function and config.
type Judged = Mutex<HashMap<(String, String), Vec<String>>>;

/// A compiled component.
pub struct Plugin {
    pub(super) wall: Arc<Wall>,
    pub(super) pre: InstancePre<HostState>,
    pub(super) exports: Exports,
    functions: Vec<FunctionInfo>,
    judged: Judged,
    path: PathBuf,
    digest: String,
    size_bytes: u64,
    manifest: Manifest,
    cache_note: Option<String>,
}

impl Plugins {
    /// Creates a loader with these limits and otherwise the settings of [`Settings::new`].
    ///
    /// # Errors
    /// As [`Plugins::with`].
    pub fn new(limits: Limits) -> Result<Self> {
        Plugins::with(Settings::new(limits))
    }

    /// Creates a loader with these settings.
    ///
    /// # Errors
    /// The thread that keeps deadlines does not start, or the engine does not: ours, or the system's.
    pub fn with(settings: Settings) -> Result<Self> {
        let engine = engine::to_run(&settings.limits, &settings.compile_in)?;
        let mut linker = Linker::new(&engine);
        contract::add_to_linker(&mut linker).map_err(|e| Error::internal(format!("{e:#}")))?;
        let of_ticker = engine.clone();
        let interval = Duration::from_millis(settings.limits.deadline_tick_ms.max(1));
        let ticker = Ticker::start(interval, move || of_ticker.increment_epoch())?;
        let wall = Wall {
            engine,
            limits: Arc::new(settings.limits),
            shares: settings.shares,
            ticker,
            log: settings.log,
            records: settings.records,
            linker,
            compile_in: settings.compile_in,
            cache: settings.cache,
            configs_were_judged: settings.configs_were_judged,
        };
        Ok(Plugins { wall: Arc::new(wall), loaded: Arc::default() })
    }

    /// The limits of all plugins that are loaded here.
    pub fn limits(&self) -> &Limits {
        &self.wall.limits
    }

    /// Reads, admits and compiles a plugin, or takes it from the cache, and requests its functions. An error names
    /// the file.
    pub fn load(&self, path: &Path) -> Result<Arc<Plugin>> {
        self.load_content(path).map_err(|e| e.within(format!("plugin {}", path.display())))
    }

    /// Returns a plugin that was loaded from this file with this content, whatever the file has by now. `digest` is that of [`Plugin::digest`].
    pub fn loaded(&self, path: &Path, digest: &str) -> Option<Arc<Plugin>> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.get(&(path.to_path_buf(), digest.to_string())).and_then(|known| known.as_ref().ok().cloned())
    }

    fn load_content(&self, path: &Path) -> Result<Arc<Plugin>> {
        let component = self.wall.read(path)?;
        let key = (path.to_path_buf(), hex(&Sha256::digest(&component)));
        if let Some(known) = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        // Not under the lock: two threads may load a plugin twice, none waits for a compilation of another.
        let loaded = self.wall.load(path, &component, &key.1).map(Arc::new);
        if !loaded.as_ref().is_err_and(|error| error.fault() != Fault::User) {
            self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(key, loaded.clone());
        }
        loaded
    }
}

impl Wall {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let cannot = |e| LoadError::Unreadable(format!("cannot be read: {e}"));
        let mut file = File::open(path).map_err(cannot)?;
        let max = self.limits.component_bytes_max as u64;
        let mut component = Vec::new();
        file.by_ref().take(max + 1).read_to_end(&mut component).map_err(cannot)?;
        if component.len() as u64 > max {
            let bytes = file.metadata().map_or(max + 1, |m| m.len());
            return Err(LoadError::NotAdmitted(too_large(bytes, &self.limits)).into());
        }
        Ok(component)
    }

    fn load(self: &Arc<Self>, path: &Path, component: &[u8], digest: &str) -> Result<Plugin> {
        let mut kept = Kept::open(self.cache.as_deref(), self.cache_name(digest));
        let known = kept.artifact()?;
        let is_new = known.is_none();
        let mut artifact = match known {
            Some(artifact) => artifact,
            None => compile(component, &self.limits, &self.compile_in).map_err(|error| kept.refuse(error))?,
        };
        let described = self.described(path, component, digest, &artifact);
        let judged = match &described {
            Ok(plugin) => self.judge_schemas(&plugin.functions, &artifact).map_err(|error| kept.refuse(error))?,
            Err(_) => None,
        };
        if is_new || judged.is_some() {
            artifact.schemas_judged = judged.or(artifact.schemas_judged);
            kept.put(&artifact)?;
        }
        Ok(Plugin { cache_note: kept.note, ..described? })
    }

    /// Loads machine code and requests the plugin's functions.
    fn described(self: &Arc<Self>, path: &Path, component: &[u8], digest: &str, artifact: &Artifact) -> Result<Plugin> {
        // SAFETY: the machine code was made by our compiler from a component that it validated: either just now, in
        // this process or in a child that we started, or earlier, and then its MAC proves that this user's host wrote
        // it (S4). It was made for this engine: the cache's names contain the engine's hash, and wasmtime checks again.
        let loaded = unsafe { Component::deserialize(&self.engine, &artifact.machine_code) };
        // It is whole, so it was made for this engine and only a limit can be in its way.
        let loaded = loaded.map_err(|e| LoadError::Misfit(format!("does not fit the limits: {}", e.root_cause())))?;
        let misfit = |e: wasmtime::Error| LoadError::Misfit(format!("does not fit the plugin contract: {e:#}"));
        let pre = self.linker.instantiate_pre(&loaded).map_err(misfit)?;
        let exports = Exports::of(&pre).map_err(misfit)?;
        let mut plugin = Plugin {
            wall: self.clone(),
            pre,
            exports,
            functions: Vec::new(),
            judged: Judged::default(),
            path: path.to_path_buf(),
            digest: digest.to_string(),
            size_bytes: component.len() as u64,
            manifest: artifact.manifest.clone(),
            cache_note: None,
        };
        plugin.functions = plugin.describe()?;
        Ok(plugin)
    }

    /// Judges the config schemas, unless these are known to be right. Returns their digest where they were judged now.
    fn judge_schemas(&self, functions: &[FunctionInfo], artifact: &Artifact) -> Result<Option<String>> {
        let schema = |function: &FunctionInfo| Some((function.name.clone(), function.config_schema.clone()?));
        let (names, schemas): (Vec<String>, Vec<_>) = functions.iter().filter_map(schema).unzip();
        if schemas.is_empty() {
            return Ok(None);
        }
        let cases: Vec<Case> = schemas.into_iter().map(|schema| Case { schema, config: None }).collect();
        let digest = hex(&Sha256::digest(serde_json::to_vec(&cases).map_err(|e| Error::internal(e.to_string()))?));
        if artifact.schemas_judged.as_ref() == Some(&digest) {
            return Ok(None);
        }
        for (name, verdict) in names.iter().zip(judge::judge(&cases, &self.limits, &self.compile_in)?) {
            verdict.map_err(|why| LoadError::ConfigSchema(format!("describes `{name}` wrongly: {why}")))?;
        }
        Ok(Some(digest))
    }

    /// Hashes the component, all that the machine code depends on, and the rules of admission (our version).
    fn cache_name(&self, digest: &str) -> String {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        let mut name = Sha256::new();
        name.update(digest);
        name.update(hasher.finish().to_le_bytes());
        name.update(env!("CARGO_PKG_VERSION"));
        let limits = &self.limits;
        for limit in [limits.nested_modules_max, limits.machine_code_bytes_max, limits.component_bytes_max] {
            name.update(limit.to_le_bytes());
        }
        for limit in [limits.compile_memory_bytes_max, limits.compile_cpu_s_max] {
            name.update(limit.to_le_bytes());
        }
        hex(&name.finalize())
    }
}

impl Plugin {
    /// Returns its functions, which were requested when it was loaded.
    pub fn functions(&self) -> &[FunctionInfo] {
        &self.functions
    }

    /// The function of this name.
    pub fn function(&self, name: &str) -> Option<&FunctionInfo> {
        self.functions.iter().find(|f| f.name == name)
    }

    /// The file that it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The size of the file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Contract version, imports and exports.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether it can read values of older versions of its state slots.
    pub fn migrates(&self) -> bool {
        self.exports.migrates()
    }

    /// Why the cache of compiled plugins could not be used, if so: worth a warning.
    pub fn cache_note(&self) -> Option<&str> {
        self.cache_note.as_deref()
    }

    /// Judges a config for one of the functions; the same one is judged once.
    pub(super) fn check_config(&self, function: &FunctionInfo, config: &Value) -> Vec<String> {
        let Some(schema) = &function.config_schema else {
            let empty = config.is_null() || config.as_object().is_some_and(serde_json::Map::is_empty);
            return if empty { Vec::new() } else { vec![format!("`{}` takes no config", function.name)] };
        };
        if self.wall.configs_were_judged {
            return Vec::new();
        }
        let key = (function.name.clone(), config.to_string());
        if let Some(problems) = self.judged.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return problems.clone();
        }
        let case = Case { schema: schema.clone(), config: Some(config.clone()) };
        let verdict = judge::judge(&[case], &self.wall.limits, &self.wall.compile_in)
            .and_then(|verdicts| verdicts.into_iter().next().ok_or_else(|| Error::internal("no verdict")))
            .and_then(|verdict| Ok(verdict.map_err(LoadError::ConfigSchema)?));
        let problems = verdict.unwrap_or_else(|error| vec![format!("`{}`: {error}", function.name)]);
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if judged.len() < JUDGED_MAX {
            judged.insert(key, problems.clone());
        }
        problems
    }

    fn describe(&self) -> Result<Vec<FunctionInfo>> {
        let limits = &self.wall.limits;
        let services = Services::open(&self.wall, "describe", &Default::default())
            .map_err(|problems| Error::internal(problems.join("; ")))?;
        let said = |what: &str, why: &CallError| LoadError::Undescribed(format!("{what}: {why}"));
        let mut instance = Instance::new(self, services).map_err(|(_, e)| said("does not start", &e))?;
        instance.limit_output(limits.describe_bytes_max);
        let described = instance
            .call(self, limits.open_deadline(), |guest, store| guest.describe(store))
            .map_err(|e| said("cannot say which functions it has", &e))?;
        Ok(describe::functions(described, limits, |kind| self.exports.serve(kind)).map_err(LoadError::Undescribed)?)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
