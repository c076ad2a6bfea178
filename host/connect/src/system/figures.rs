//! What the operating system reports about the machine.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use sysinfo::{CpuRefreshKind, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, System};

use crate::error::SourceError;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) metric: &'static str,
    /// Which of several, where there are several.
    pub(super) device: Option<String>,
    pub(super) value: f64,
}

/// Reads figures. Rates are since the previous reading, so the first reading has none.
pub(super) struct Machine {
    /// The names of the wanted figures.
    wanted: BTreeSet<&'static str>,
    system: System,
    disks: Option<Disks>,
    networks: Option<Networks>,
    cpu: bool,
    memory: bool,
    /// The time of the last reading.
    read_at: Instant,
}

impl Machine {
    /// Takes a first reading, for the rates of the next.
    pub(super) fn new(wanted: &BTreeSet<&'static str>) -> Result<Self> {
        let cannot = |what: &str| Error::from(SourceError::Machine(format!("cannot read the {what} of this machine")));
        let has = |group: &str| wanted.iter().any(|name| name.starts_with(group));
        let mut machine = Machine {
            wanted: wanted.clone(),
            system: System::new().map_err(|_| cannot("figures"))?,
            disks: has("disk.").then(Disks::new).transpose().map_err(|_| cannot("disks"))?,
            networks: has("network.").then(Networks::new).transpose().map_err(|_| cannot("networks"))?,
            cpu: has("cpu."),
            memory: has("memory.") || has("swap."),
            read_at: clock::monotonic(),
        };
        machine.refresh();
        Ok(machine)
    }

    /// Takes a reading; returns the time since the previous one.
    fn refresh(&mut self) -> Duration {
        if self.cpu {
            self.system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        }
        if self.memory {
            self.system.refresh_memory_specifics(MemoryRefreshKind::everything());
        }
        if let Some(disks) = &mut self.disks {
            disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage().with_io_usage());
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
        }
        let now = clock::monotonic();
        let since = now - self.read_at;
        self.read_at = now;
        since
    }

    /// Returns the current figures.
    pub(super) fn read(&mut self) -> Vec<Figure> {
        let seconds = self.refresh().as_secs_f64().max(0.001);
        let mut figures = Figures { wanted: &self.wanted, all: Vec::new() };
        if self.cpu {
            figures.cpu(&self.system);
        }
        if self.memory {
            figures.memory(&self.system);
        }
        if let Some(disks) = &self.disks {
            figures.disks(disks, seconds);
        }
        if let Some(networks) = &self.networks {
            figures.networks(networks, seconds);
        }
        figures.all
    }
}

struct Figures<'a> {
    wanted: &'a BTreeSet<&'static str>,
    all: Vec<Figure>,
}

impl Figures<'_> {
    fn add(&mut self, metric: &'static str, device: Option<&str>, value: f64) {
        if self.wanted.contains(metric) {
            self.all.push(Figure { metric, device: device.map(str::to_string), value });
        }
    }

    fn ratio(&mut self, metric: &'static str, device: Option<&str>, part: u64, whole: u64) {
        // Nothing is used of what does not exist.
        let value = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        self.add(metric, device, value);
    }

    fn cpu(&mut self, system: &System) {
        let ratio = |percent: f32| (f64::from(percent) / 100.0).clamp(0.0, 1.0);
        self.add("cpu.usage", None, ratio(system.global_cpu_usage()));
        for cpu in system.cpus() {
            self.add("cpu.core_usage", Some(cpu.name()), ratio(cpu.usage()));
        }
        // Windows has no load average.
        if let Ok(load) = System::load_average() {
            self.add("cpu.load_1m", None, load.one);
        }
    }

    fn memory(&mut self, system: &System) {
        for (metric, bytes) in [
            ("memory.total", system.total_memory()),
            ("memory.used", system.used_memory()),
            ("memory.available", system.available_memory()),
            ("swap.total", system.total_swap()),
            ("swap.used", system.used_swap()),
        ] {
            self.add(metric, None, bytes as f64);
        }
        self.ratio("memory.used_ratio", None, system.used_memory(), system.total_memory());
        self.ratio("swap.used_ratio", None, system.used_swap(), system.total_swap());
    }

    fn disks(&mut self, disks: &Disks, seconds: f64) {
        let mut all: Vec<_> = disks.iter().collect();
        all.sort_by_key(|disk| disk.mount_point());
        // Containers mount folders of one disk in many places: the first stands for all.
        let mut seen = HashSet::new();
        for disk in all {
            let path = disk.mount_point().to_string_lossy();
            let name = disk.name().to_string_lossy();
            let id = if name.starts_with("/dev/") { name.to_string() } else { path.to_string() };
            if !seen.insert(id) {
                continue;
            }
            let device = Some(&*path);
            let (total, used) = (disk.total_space(), disk.total_space().saturating_sub(disk.available_space()));
            self.add("disk.total", device, total as f64);
            self.add("disk.used", device, used as f64);
            self.ratio("disk.used_ratio", device, used, total);
            self.add("disk.read_bytes_per_s", device, disk.usage().read_bytes as f64 / seconds);
            self.add("disk.written_bytes_per_s", device, disk.usage().written_bytes as f64 / seconds);
        }
    }

    fn networks(&mut self, networks: &Networks, seconds: f64) {
        let mut all: Vec<_> = networks.iter().collect();
        all.sort_by_key(|(name, _)| *name);
        for (name, data) in all {
            let name = name.to_string_lossy();
            let errors = data.errors_on_received() + data.errors_on_transmitted();
            for (metric, count) in [
                ("network.received_bytes_per_s", data.received()),
                ("network.sent_bytes_per_s", data.transmitted()),
                ("network.errors_per_s", errors),
            ] {
                self.add(metric, Some(&name), count as f64 / seconds);
            }
        }
    }
}
