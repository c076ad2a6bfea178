//! The program on a terminal: its output there, and its behaviour when the terminal is closed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::program::{home, program, runtime};
use crate::shell::{OF_THE_USER, settings};

/// The program, whose input, output and errors are a terminal of its own. It is killed when this is dropped.
pub struct OnTerminal {
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
    is_closed: Arc<AtomicBool>,
    /// The thread that reads the other end of the terminal, which is closed when it ends.
    reader: Option<JoinHandle<()>>,
    /// The same end, for what is typed.
    keys: Option<File>,
    deadline: Duration,
}

impl OnTerminal {
    /// Starts it in a folder, with arguments, on a terminal with this number of columns.
    ///
    /// # Panics
    /// If there is no terminal to be had, or the program does not start.
    pub fn start(folder: &Path, arguments: &[&str], columns: u16, deadline: Duration) -> Self {
        OnTerminal::start_with(folder, arguments, columns, deadline, &[])
    }

    /// Starts it with further environment variables.
    ///
    /// # Panics
    /// As for [`OnTerminal::start`].
    pub fn start_with(
        folder: &Path,
        arguments: &[&str],
        columns: u16,
        deadline: Duration,
        environment: &[(&str, &Path)],
    ) -> Self {
        let (screen, inside) = open(columns);
        let dup = || inside.try_clone().expect("a file descriptor");
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(folder)
            .env("FLOWGATE_HOME", home())
            .env("XDG_CONFIG_HOME", settings(folder))
            .env("XDG_RUNTIME_DIR", runtime());
        for name in OF_THE_USER {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        command.stdin(dup()).stdout(dup()).stderr(dup());
        // SAFETY: between fork and exec, only system calls that are allowed there.
        unsafe {
            command.pre_exec(|| {
                // A session of its own with this terminal: closing it sends SIGHUP.
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the program starts");
        let keys = File::from(screen.try_clone().expect("a file descriptor"));
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        let is_closed = Arc::<AtomicBool>::default();
        let (theirs, closed) = (Arc::clone(&shown), Arc::clone(&is_closed));
        let reader = std::thread::spawn(move || read(screen, &theirs, &closed));
        OnTerminal { child, shown, is_closed, reader: Some(reader), keys: Some(keys), deadline }
    }
}

/// Reads the terminal until the program has gone, or the terminal is to be closed.
fn read(screen: OwnedFd, shown: &Mutex<Vec<u8>>, is_closed: &AtomicBool) {
    let mut screen = File::from(screen);
    let mut chunk = [0; 4096];
    while !is_closed.load(SeqCst) {
        let mut readable = libc::pollfd { fd: screen.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is open, in a structure of this function.
        if unsafe { libc::poll(&mut readable, 1, 20) } <= 0 {
            continue;
        }
        match screen.read(&mut chunk) {
            Ok(count) if count > 0 => {
                shown.lock().expect("nobody panics with it").extend_from_slice(&chunk[..count]);
            }
            _ => return,
        }
    }
}

/// Opens a new terminal: its outer and its inner end.
fn open(columns: u16) -> (OwnedFd, OwnedFd) {
    let check = |result: libc::c_int| assert!(result >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: calls of the C library with valid arguments; nobody else owns the descriptors that they return.
    unsafe {
        let outer = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        check(outer);
        let outer = OwnedFd::from_raw_fd(outer);
        check(libc::grantpt(outer.as_raw_fd()));
        check(libc::unlockpt(outer.as_raw_fd()));
        let size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        check(libc::ioctl(outer.as_raw_fd(), libc::TIOCSWINSZ, &size));
        let inner = libc::ioctl(outer.as_raw_fd(), libc::TIOCGPTPEER, libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        check(inner);
        (outer, OwnedFd::from_raw_fd(inner))
    }
}

impl OnTerminal {
    /// Returns the output on the terminal so far, with `\n` as line end.
    pub fn shown(&self) -> String {
        let bytes = self.shown.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    }

    /// Types a text.
    ///
    /// # Panics
    /// If the terminal is closed.
    pub fn enter(&mut self, text: &str) {
        let keys = self.keys.as_mut().expect("an open terminal");
        keys.write_all(text.as_bytes()).expect("the terminal takes it");
    }

    /// Waits until the terminal has shown `text`.
    ///
    /// # Panics
    /// If it does not in time.
    #[track_caller]
    pub fn wait_until_shown(&self, text: &str) {
        let start = Instant::now();
        while !self.shown().contains(text) {
            assert!(start.elapsed() < self.deadline, "{text:?} was not shown: {}", self.shown());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns the whole output, once the program has ended.
    pub fn read_to_end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("it ends with the program");
        }
        self.shown()
    }

    /// Closes the terminal, as a user closes its window.
    pub fn close(&mut self) {
        self.keys = None;
        self.is_closed.store(true, SeqCst);
        if let Some(reader) = self.reader.take() {
            reader.join().expect("it only reads");
        }
    }

    /// Waits for the end of the program.
    ///
    /// # Panics
    /// If it does not end in time.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(start.elapsed() < self.deadline, "it runs still: {}", self.shown());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        self.is_closed.store(true, SeqCst);
    }
}
