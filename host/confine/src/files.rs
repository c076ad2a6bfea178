//! Landlock: which files a process may use, which TCP ports it may reach, whom it may signal.
//!
//! The kernel judges the file that is opened, not its name: a symbolic link, `..` or a file that is moved in between lead nowhere.

use std::io::ErrorKind;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort, PathBeneath,
    RestrictSelfAttr, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};
use rustix::fs::{Mode, OFlags};

use crate::confinement::{Confinement, Network};
use crate::error::ConfineError;
use crate::report::Report;

/// The newest interface whose rights are handled here. What the kernel does not know is left out, and reported.
const NEWEST: ABI = ABI::V9;

/// TCP of the resolver of names, where an answer is too long for UDP.
const DNS_PORT: u16 = 53;

/// What the resolver of names and TLS read, where there is a network to use them with.
const NETWORK_FILES: [&str; 9] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/usr/share/ca-certificates",
];

/// What each interface added, for the report of a kernel that lacks it.
const ADDED: [(u32, &str); 5] = [
    (2, "files moved between granted folders: refused altogether before Linux 5.19"),
    (3, "truncation of files that may not be written: since Linux 6.2"),
    (4, "ports of TCP: since Linux 6.7"),
    (5, "commands to devices: since Linux 6.10"),
    (6, "signals to others and abstract Unix sockets: since Linux 6.12, system calls refuse most"),
];

pub(crate) fn limit(to: &Confinement, report: &mut Report) -> Result<(), ConfineError> {
    let refused = |e: RulesetError| ConfineError::Files(e.to_string());
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(|rules| match ports(&to.network) {
            Ports::Any => rules.handle_access(AccessNet::BindTcp),
            Ports::These(_) => rules.handle_access(AccessNet::from_all(NEWEST)),
        })
        .and_then(Ruleset::create)
        .map_err(refused)?;
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let execute = read | AccessFs::Execute;
    // No devices and no symbolic links: a job makes neither. Sockets, since it listens on one.
    let write = read
        | make_bitflags!(AccessFs::{
            WriteFile | Truncate | Refer | MakeDir | MakeReg | MakeSock | RemoveDir | RemoveFile
        });
    for (paths, access) in [(&to.read, read), (&to.execute, execute), (&to.write, write)] {
        for path in paths {
            rules = grant(rules, path, access, report)?;
        }
    }
    if matches!(to.network, Network::Outgoing { .. }) {
        // A system has some of them.
        let mut some_are_absent = Report::default();
        for path in NETWORK_FILES {
            rules = grant(rules, Path::new(path), read, &mut some_are_absent)?;
        }
    }
    if let Ports::These(ports) = ports(&to.network) {
        for port in ports {
            rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(refused)?;
        }
    }
    let status = rules.all_threads(true).and_then(RulesetCreated::restrict_self).map_err(refused)?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => {
            let abi = effective_abi as u32;
            report.landlock_abi = Some(abi);
            report.enforced.push(format!("files and sockets by Landlock {abi}"));
            let lacking = ADDED.iter().filter(|(since, _)| abi < *since);
            report.not_enforced.extend(lacking.map(|(_, what)| (*what).to_string()));
            let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
            if !status.all_threads && threads > 1 {
                report.not_enforced.push(format!("files: {} other threads run already", threads - 1));
            }
        }
        LandlockStatus::NotEnabled => {
            report.not_enforced.push("files: Landlock is not enabled in this kernel".into());
        }
        LandlockStatus::NotImplemented => {
            report.not_enforced.push("files: this kernel has no Landlock (since Linux 5.13)".into());
        }
    }
    Ok(())
}

/// Adds the rule of a path, unless nothing is there.
fn grant(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
    report: &mut Report,
) -> Result<RulesetCreated, ConfineError> {
    let opened = match rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(opened) => opened,
        Err(e) if std::io::Error::from(e).kind() == ErrorKind::NotFound => {
            report.absent.push(path.into());
            return Ok(rules);
        }
        Err(e) => return Err(ConfineError::Path { path: path.into(), source: e.into() }),
    };
    let is_folder = rustix::fs::fstat(&opened)
        .map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir())
        .map_err(|e| ConfineError::Path { path: path.into(), source: e.into() })?;
    let access = if is_folder { access } else { access & AccessFs::from_file(NEWEST) };
    rules.add_rule(PathBeneath::new(opened, access)).map_err(|e| ConfineError::Files(e.to_string()))
}

/// The ports that TCP may connect to.
enum Ports {
    Any,
    These(Vec<u16>),
}

fn ports(network: &Network) -> Ports {
    match network {
        Network::None | Network::Unix => Ports::These(Vec::new()),
        Network::Outgoing { ports } if ports.is_empty() => Ports::Any,
        Network::Outgoing { ports } => Ports::These(ports.iter().copied().chain([DNS_PORT]).collect()),
    }
}
