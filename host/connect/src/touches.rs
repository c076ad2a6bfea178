//! What a job touches outside: files, hosts, the standard streams, figures of the machine. Known from the checked settings alone,
//! without a look at the disk or the network.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a source, a sink or a whole job touches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touches {
    /// What it reads.
    pub reads: Vec<Place>,
    /// What it writes, creates or removes.
    pub writes: Vec<Place>,
    /// Where it connects to.
    pub connects: Vec<Target>,
    /// Whether it reads standard input, or writes standard output.
    pub standard_streams: bool,
    /// Whether it reads figures of the machine.
    pub system_figures: bool,
}

/// Files, by an absolute path as the job has it: `..` stays in it, since behind a symbolic link it leads elsewhere than its text says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// One file.
    File(PathBuf),
    /// Anything in a folder, at any depth.
    Within(PathBuf),
}

/// A host to connect to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// `http`, `https`, or that of a checkpoint store: `s3`, `gs`, `az`, `hdfs`.
    pub scheme: String,
    /// A name or an address, in lower case, an IPv6 address without brackets. Of an object store: the bucket or container.
    pub host: String,
    /// The port: of the scheme, where the URL names none.
    pub port: u16,
}

impl Touches {
    /// Touches nothing.
    pub fn nothing() -> Touches {
        Touches::default()
    }

    /// Reads one file; `path` is relative to `base`.
    pub fn file(base: &Path, path: impl AsRef<Path>) -> Touches {
        Touches { reads: vec![Place::file(base, path)], ..Touches::default() }
    }

    /// Reads one file, or the files of a glob.
    pub fn file_or_glob(base: &Path, path: &str) -> Touches {
        if path.contains(['*', '?', '[']) { Touches::glob(base, path) } else { Touches::file(base, path) }
    }

    /// Reads the files of a glob, now or later; `glob` is relative to `base`.
    pub fn glob(base: &Path, glob: &str) -> Touches {
        let is_fixed = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let fixed: PathBuf = Path::new(glob).components().take_while(is_fixed).collect();
        // `..` behind a pattern leads out of whatever folder matches: nothing short of all files covers it.
        let leaves = Path::new(glob).components().skip_while(is_fixed).any(|part| part == Component::ParentDir);
        let folder = if leaves { PathBuf::from("/") } else { absolute(&base.join(fixed)) };
        Touches { reads: vec![Place::Within(folder)], ..Touches::default() }
    }

    /// Writes in a folder; `path` is relative to `base`.
    pub fn written_folder(base: &Path, path: impl AsRef<Path>) -> Touches {
        Touches { writes: vec![Place::Within(absolute(&base.join(path)))], ..Touches::default() }
    }

    /// Writes a file; `path` is relative to `base`.
    pub fn written_file(base: &Path, path: impl AsRef<Path>) -> Touches {
        Touches { writes: vec![Place::file(base, path)], ..Touches::default() }
    }

    /// Connects to the host of a URL. A URL without one connects to nothing.
    pub fn url(url: &str) -> Touches {
        Touches { connects: Target::of_url(url).into_iter().collect(), ..Touches::default() }
    }

    /// The standard streams.
    pub fn standard_streams() -> Touches {
        Touches { standard_streams: true, ..Touches::default() }
    }

    /// Figures of the machine.
    pub fn system_figures() -> Touches {
        Touches { system_figures: true, ..Touches::default() }
    }

    /// Adds what another part of the job touches.
    pub fn add(&mut self, other: Touches) {
        let Touches { reads, writes, connects, standard_streams, system_figures } = other;
        self.reads.extend(reads);
        self.writes.extend(writes);
        self.connects.extend(connects);
        self.standard_streams |= standard_streams;
        self.system_figures |= system_figures;
    }
}

impl Place {
    /// One file; `path` is relative to `base`.
    pub fn file(base: &Path, path: impl AsRef<Path>) -> Place {
        Place::File(absolute(&base.join(path)))
    }

    /// The file, or the folder.
    pub fn path(&self) -> &Path {
        match self {
            Place::File(path) | Place::Within(path) => path,
        }
    }
}

/// As a pattern that grants it by its text: `/data/in.csv`, `/data/**`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = normal(self.path());
        match self {
            Place::File(_) => write!(f, "{}", path.display()),
            Place::Within(_) if path == Path::new("/") => f.write_str("/**"),
            Place::Within(_) => write!(f, "{}/**", path.display()),
        }
    }
}

impl Target {
    /// The target of a URL; `None` where it has no host, or a port that is none.
    pub fn of_url(url: &str) -> Option<Target> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((inner, rest)) => (inner, rest.strip_prefix(':')),
            None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
        };
        let port = match (port, scheme.as_str()) {
            (Some(port), _) => port.parse().ok()?,
            (None, "http") => 80,
            (None, "hdfs") => 8020,
            (None, _) => 443,
        };
        // A dot at the end is the root of names: the same host.
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        (!host.is_empty()).then_some(Target { scheme, host, port })
    }
}

/// As a pattern that grants it: `hooks.example.com:443`, `[::1]:8080`, `s3://bucket:443`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.scheme.as_str(), "http" | "https") {
            write!(f, "{}://", self.scheme)?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Returns an absolute path without `.` and `..`, by its text alone. At the root, `..` stays there.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let path = absolute(path);
    let mut normal = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::Normal(name) => normal.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_they_lead_to_by_their_text() {
        let base = Path::new("/data/acme");
        let file = |path: &str| Place::file(base, path).to_string();
        assert_eq!(file("in.csv"), "/data/acme/in.csv");
        assert_eq!(file("./a/../in.csv"), "/data/acme/in.csv");
        assert_eq!(file("../../../../etc/passwd"), "/etc/passwd");
        assert_eq!(file("/proc/self/../1/environ"), "/proc/1/environ");
        let glob = |glob: &str| Touches::glob(base, glob).reads[0].to_string();
        assert_eq!(glob("logs/*.log"), "/data/acme/logs/**");
        assert_eq!(glob("*.log"), "/data/acme/**");
        assert_eq!(glob("logs/../*/x"), "/data/acme/**");
        assert_eq!(glob("l*/../../../etc/passwd"), "/**");
        assert_eq!(glob("/[e]tc/passwd"), "/**");
    }

    #[test]
    fn targets_of_urls() {
        let target = |url: &str| Target::of_url(url).map(|target| target.to_string());
        assert_eq!(target("https://Example.com/hook?x=@y"), Some("example.com:443".into()));
        assert_eq!(target("http://name:pass@host./a@b"), Some("host:80".into()));
        assert_eq!(target("http://a@b@c:81"), Some("c:81".into()));
        assert_eq!(target("http://good.com\\@evil.com/"), Some("good.com:80".into()));
        assert_eq!(target("http://[::1]:8080/x"), Some("[::1]:8080".into()));
        assert_eq!(target("s3://bucket/folder"), Some("s3://bucket:443".into()));
        assert_eq!(target("hdfs://nodes:9000/x"), Some("hdfs://nodes:9000".into()));
        for none in ["no url", "http://", "http://:80/", "http://host:port/", "http://host:99999"] {
            assert_eq!(target(none), None, "{none}");
        }
    }
}
