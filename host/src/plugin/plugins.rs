//! Loading: from a file to a compiled component whose functions are known.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use super::admission::{Manifest, too_large};
use super::binding::FunctionInfo;
use super::cache::{self, Cache};
use super::compile::{Artifact, CompileIn, compile};
use super::contract::{self, Exports};
use super::describe;
use super::engine;
use super::guest_log::{GuestLog, LogLevel, StderrLog};
use super::host_state::{HostState, Services};
use super::instance::Instance;
use super::limits::Limits;
use super::ticker::Ticker;
use crate::error::{Error, Fault, Result};

/// How plugins are compiled and what they may take.
#[derive(Clone)]
pub struct Settings {
    /// What plugins may take.
    pub limits: Limits,
    /// Where components are compiled.
    pub compile_in: CompileIn,
    /// Where compiled components are kept between runs; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// Takes the plugins' log lines.
    pub log: Arc<dyn GuestLog>,
}

impl Settings {
    /// The settings of a program that embeds Flowgate: compiles in this process, unless FLOWGATE_EXE names a `flowgate`
    /// to do it in a child; keeps compiled components in the user's cache folder; logs to standard error.
    pub fn new(limits: Limits) -> Self {
        let exe = std::env::var_os("FLOWGATE_EXE").filter(|v| !v.is_empty());
        Settings {
            limits,
            compile_in: exe.map_or(CompileIn::ThisProcess, |exe| CompileIn::Child(exe.into())),
            cache: cache::folder_of_user(),
            log: Arc::new(StderrLog { least: LogLevel::Info }),
        }
    }

    /// The settings of the `flowgate` command: as [`Settings::new`], but compiles in a child of this executable.
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
    pub(super) ticker: Ticker,
    pub(super) log: Arc<dyn GuestLog>,
    linker: Linker<HostState>,
    compile_in: CompileIn,
    cache: Option<PathBuf>,
}

/// Plugins that were loaded, by path and content. A job is checked, opened and run with the same few.
type Loaded = Mutex<HashMap<(PathBuf, String), Arc<Plugin>>>;

/// A compiled component.
pub struct Plugin {
    pub(super) wall: Arc<Wall>,
    pub(super) pre: InstancePre<HostState>,
    pub(super) exports: Exports,
    pub(super) described: Vec<describe::Function>,
    functions: Vec<FunctionInfo>,
    path: PathBuf,
    digest: String,
    size_bytes: u64,
    manifest: Manifest,
    cache_note: Option<String>,
}

impl Plugins {
    /// Plugins with these limits and otherwise the settings of [`Settings::new`].
    pub fn new(limits: Limits) -> Result<Self> {
        Plugins::with(Settings::new(limits))
    }

    /// Plugins with these settings.
    pub fn with(settings: Settings) -> Result<Self> {
        let engine = engine::to_run(&settings.limits)?;
        let mut linker = Linker::new(&engine);
        contract::add_to_linker(&mut linker).map_err(|e| Error::internal(format!("{e:#}")))?;
        let of_ticker = engine.clone();
        let interval = Duration::from_millis(settings.limits.deadline_tick_ms.max(1));
        let ticker = Ticker::start(interval, move || of_ticker.increment_epoch())?;
        let wall = Wall {
            engine,
            limits: Arc::new(settings.limits),
            ticker,
            log: settings.log,
            linker,
            compile_in: settings.compile_in,
            cache: settings.cache,
        };
        Ok(Plugins { wall: Arc::new(wall), loaded: Arc::default() })
    }

    /// The limits of all plugins that are loaded here.
    pub fn limits(&self) -> &Limits {
        &self.wall.limits
    }

    /// Reads, admits and compiles a plugin, or takes it from the cache, and asks it for its functions. An error names
    /// the file.
    pub fn load(&self, path: &Path) -> Result<Arc<Plugin>> {
        self.load_content(path).map_err(|e| e.within(format!("plugin {}", path.display())))
    }

    fn load_content(&self, path: &Path) -> Result<Arc<Plugin>> {
        let component = self.wall.read(path)?;
        let key = (path.to_path_buf(), hex(&Sha256::digest(&component)));
        if let Some(plugin) = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(plugin.clone());
        }
        // Not under the lock: two threads may load a plugin twice, none waits for a compilation of another.
        let plugin = Arc::new(self.wall.load(path, &component, &key.1)?);
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(key, plugin.clone());
        Ok(plugin)
    }
}

impl Wall {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let cannot = |e| Error { fault: Fault::User, ..Error::io("cannot be read", &e) };
        let mut file = File::open(path).map_err(cannot)?;
        let max = self.limits.component_bytes_max as u64;
        let mut component = Vec::new();
        file.by_ref().take(max + 1).read_to_end(&mut component).map_err(cannot)?;
        if component.len() as u64 > max {
            let bytes = file.metadata().map_or(max + 1, |m| m.len());
            return Err(Error::user(too_large(bytes, &self.limits)));
        }
        Ok(component)
    }

    fn load(self: &Arc<Self>, path: &Path, component: &[u8], digest: &str) -> Result<Plugin> {
        let (artifact, cache_note) = self.artifact(component, digest)?;
        // SAFETY: the machine code was made by our compiler from a component that it validated: either just now, in
        // this process or in a child that we started, or earlier, and then its MAC proves that this user's host wrote
        // it (S3). It was made for this engine: the cache's names contain the engine's hash, and wasmtime checks again.
        let loaded = unsafe { Component::deserialize(&self.engine, &artifact.machine_code) };
        // It is whole, so it was made for this engine and only a limit can be in its way.
        let loaded = loaded.map_err(|e| Error::user(format!("does not fit the limits: {}", e.root_cause())))?;
        let misfit = |e: wasmtime::Error| Error::user(format!("does not fit the plugin contract: {e:#}"));
        let pre = self.linker.instantiate_pre(&loaded).map_err(misfit)?;
        let exports = Exports::of(&pre).map_err(misfit)?;
        let mut plugin = Plugin {
            wall: self.clone(),
            pre,
            exports,
            described: Vec::new(),
            functions: Vec::new(),
            path: path.to_path_buf(),
            digest: digest.to_string(),
            size_bytes: component.len() as u64,
            manifest: artifact.manifest,
            cache_note,
        };
        plugin.described = plugin.describe()?;
        plugin.functions = plugin.described.iter().map(|f| f.info.clone()).collect();
        Ok(plugin)
    }

    /// From the cache, or compiled. The note says why the cache could not be used.
    fn artifact(&self, component: &[u8], digest: &str) -> Result<(Artifact, Option<String>)> {
        let mut note = None;
        let cache = self.cache.as_ref().and_then(|folder| match Cache::open(folder) {
            Ok(cache) => Some(cache),
            Err(e) => {
                note = Some(format!("compiled plugins are not kept: {}: {e}", folder.display()));
                None
            }
        });
        let name = self.cache_name(digest);
        if let Some(artifact) = cache.as_ref().and_then(|c| c.get(&name)).and_then(|b| Artifact::from_bytes(&b)) {
            return Ok((artifact, note));
        }
        let artifact = compile(component, &self.limits, &self.compile_in)?;
        if let Some(cache) = cache
            && let Err(e) = cache.put(&name, &artifact.to_bytes())
        {
            note = Some(format!("the compiled plugin is not kept: {e}"));
        }
        Ok((artifact, note))
    }

    /// Of the component, of all that the machine code depends on, and of the rules of admission (our version).
    fn cache_name(&self, digest: &str) -> String {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        let mut name = Sha256::new();
        name.update(digest);
        name.update(hasher.finish().to_le_bytes());
        name.update(env!("CARGO_PKG_VERSION"));
        name.update(self.limits.nested_modules_max.to_le_bytes());
        hex(&name.finalize())
    }
}

impl Plugin {
    /// What it says that it has; asked once, when it was loaded.
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

    /// Why the cache of compiled plugins could not be used, if so: worth a warning.
    pub fn cache_note(&self) -> Option<&str> {
        self.cache_note.as_deref()
    }

    fn describe(&self) -> Result<Vec<describe::Function>> {
        let limits = &self.wall.limits;
        let services = Services::open(limits.clone(), "describe", self.wall.log.clone(), &Default::default())
            .map_err(|problems| Error::internal(problems.join("; ")))?;
        let said = |what: &str, why: &str| Error::user(format!("{what}: {why}"));
        let mut instance = Instance::new(self, services).map_err(|(_, e)| said("does not start", &e.0))?;
        instance.limit_output(limits.describe_bytes_max);
        let described = instance
            .call(self, limits.open_deadline(), |guest, store| guest.describe(store))
            .map_err(|e| said("cannot say which functions it has", &e.0))?;
        describe::functions(described, limits, |kind| self.exports.serve(kind)).map_err(Error::user)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
