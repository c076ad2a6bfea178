//! The limits of a worker process that follow from a policy: the kernel enforces what the check has judged.

use std::path::PathBuf;

use flowgate_confine::{Confinement, Network, Role};

use super::grants::Policy;
use super::path_pattern::PathPattern;
use crate::touches::{Place, Touches};

/// Where the figures of the machine are. Not the whole of `/proc`, which has other processes' secrets.
const SYSTEM_FIGURES: [&str; 10] = [
    "/proc/stat",
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/diskstats",
    "/proc/mounts",
    "/proc/net/dev",
    "/sys/class/net",
    "/sys/devices/system/cpu",
];

/// Returns the limits of the worker process of a job that touches these: the grants of the policy that the job needs, and no others.
/// The paths are those of the policy: a path of a job could become a link before the limits are set. Resources are not limited, and
/// the folders of the worker itself are to be added.
///
/// A job that connects to nothing may listen on a Unix socket. One that connects may not: its control socket has to be bound before
/// the limits are set.
pub fn confinement_of(policy: &Policy, touches: &Touches) -> Confinement {
    let needed = |patterns: &[PathPattern], places: &[Place]| -> Vec<PathBuf> {
        let is_needed = |pattern: &&PathPattern| places.iter().any(|place| pattern.covers(place));
        patterns.iter().filter(is_needed).map(|pattern| pattern.path().into()).collect()
    };
    let mut read = needed(&policy.read, &touches.reads);
    // What may be written may be read: a job that only reads there gets no more.
    read.extend(needed(&policy.write, &touches.reads));
    if touches.system_figures {
        read.extend(SYSTEM_FIGURES.map(PathBuf::from));
    }
    let folders: Vec<PathPattern> = policy.write.iter().filter(|pattern| pattern.is_folder()).cloned().collect();
    let mut ports: Vec<u16> = touches.connects.iter().map(|target| target.port).collect();
    ports.sort_unstable();
    ports.dedup();
    Confinement {
        role: Role::Worker,
        read,
        write: needed(&folders, &touches.writes),
        network: if ports.is_empty() { Network::Unix } else { Network::Outgoing { ports } },
        ..Confinement::default()
    }
}
