//! Servers on loopback.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(120);

/// A server that ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens, on loopback.
    pub port: u16,
    /// Its files are removed behind it.
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts S3 with a bucket; `None`: this machine has no such server, which has been said.
    pub fn s3(bucket: &str) -> Option<Server> {
        let program = installed("python")?.join("bin/moto_server");
        let server = Server::start("", |port, _| {
            let mut command = Command::new(program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        });
        server.request("PUT", &format!("/{bucket}"));
        Some(server)
    }

    /// Starts HDFS; `None`: this machine has no such server, which has been said.
    pub fn hdfs() -> Option<Server> {
        let installed = installed("hdfs")?;
        let libraries = fs::read_to_string(installed.join("classpath")).expect("the class path");
        let classes = format!("{}:{}", installed.join("classes").display(), libraries.trim());
        Some(Server::start("READY ", |port, folder| {
            let mut command = Command::new("java");
            command.args([
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Djava.net.preferIPv4Stack=true",
            ]);
            command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", &classes, "MiniHdfs"]);
            command.arg(port.to_string()).arg(folder.join("dfs"));
            command
        }))
    }

    /// Starts a program and waits until it listens and has printed `ready`.
    fn start(ready: &str, command: impl FnOnce(u16, &Path) -> Command) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("output.txt");
        let mut command = command(port, folder.path());
        command.current_dir(folder.path()).stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.stdout(File::create(&output).expect("a file")).spawn().expect("the server starts");
        let mut server = Server { child, port, _folder: folder };
        let started = Instant::now();
        let printed = || fs::read_to_string(&output).is_ok_and(|output| output.contains(ready));
        while !printed() || TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().expect("the server's state");
            assert!(ended.is_none() && started.elapsed() < START, "the server does not start: {ended:?}");
            thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Sends an HTTP request without a body and returns the answer.
    pub fn request(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer is text");
        answer
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns a Python with the packages of `requirements.txt`; `None`: this machine has none, which has been said.
pub fn python() -> Option<PathBuf> {
    Some(installed("python")?.join("bin/python"))
}

/// Returns a folder that `setup.sh` has brought. Says so if it has not; with `FLOWGATE_TEST_SERVERS=required`, panics.
fn installed(server: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| here.join("../../target"), PathBuf::from);
    let folder = target.join("servers").join(server);
    if folder.join("ready").exists() {
        return Some(folder);
    }
    let says = format!("skipped: {} is missing; tests/servers/setup.sh brings it", folder.display());
    assert!(std::env::var_os("FLOWGATE_TEST_SERVERS").is_none_or(|value| value != "required"), "{says}");
    eprintln!("{says}");
    None
}
