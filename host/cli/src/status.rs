//! The status line: drawn on standard error below the rows, while a job runs on a terminal.

use std::io::{self, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::status_line::Line;
use flowgate::job::graph::JobGraph;
use flowgate::running::JobState;
use flowgate_base::shown;

/// The interval at which it is drawn.
const INTERVAL: Duration = Duration::from_millis(250);

/// Erases the line of the cursor.
const ERASE: &str = "\r\x1b[2K";

/// The terminal, shared by rows on standard output and the status line on standard error.
pub(super) struct Screen {
    shows_status: bool,
    line: Mutex<String>,
    job: OnceLock<Arc<JobState>>,
}

impl Screen {
    pub(super) fn new(shows_status: bool) -> Self {
        Screen { shows_status, line: Mutex::default(), job: OnceLock::new() }
    }

    /// Sets the job whose rows are shown.
    pub(super) fn attach(&self, job: &Arc<JobState>) {
        self.job.get_or_init(|| Arc::clone(job));
    }

    /// Whether an error says that the terminal has been closed. Then the job is stopped and does not fail: rows to other targets
    /// are still written.
    fn is_closed(&self, error: &io::Error) -> bool {
        let gone = error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
        gone && self.job.get().inspect(|job| job.request_stop()).is_some()
    }

    /// Returns standard output; the status line is erased before each write.
    pub(super) fn stdout(self: &Arc<Self>) -> impl Write + Send + use<> {
        ScreenWriter { screen: Arc::clone(self), to: io::stdout() }
    }

    /// Returns standard error, likewise.
    pub(super) fn stderr(self: &Arc<Self>) -> impl Write + Send + use<> {
        ScreenWriter { screen: Arc::clone(self), to: io::stderr() }
    }

    /// Writes a message to standard error, above the status line.
    pub(super) fn message(&self, text: &str) {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        put(&if line.is_empty() { text.into() } else { format!("{ERASE}{text}{line}") });
    }

    fn draw(&self, text: String) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if *line != text {
            put(&format!("{ERASE}{text}"));
            *line = text;
        }
    }
}

/// Writes to the terminal; an error that concerns only the status line is ignored.
fn put(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

struct ScreenWriter<W> {
    screen: Arc<Screen>,
    to: W,
}

impl<W: Write> Write for ScreenWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let line = self.screen.line.lock().unwrap_or_else(PoisonError::into_inner);
        if !line.is_empty() {
            put(ERASE);
        }
        // Tables are already safe to show; JSON is not on a terminal.
        let text = shown::json(&String::from_utf8_lossy(bytes));
        let written = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
        if !line.is_empty() {
            put(&line);
        }
        match written {
            Err(error) if self.screen.is_closed(&error) => Ok(()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Draws the status line until it is dropped.
pub(super) struct Status {
    screen: Arc<Screen>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Status {
    pub(super) fn start(screen: &Arc<Screen>, graph: &JobGraph, job: Arc<JobState>) -> Self {
        let mut status = Status { screen: Arc::clone(screen), stop: None, thread: None };
        if !screen.shows_status {
            return status;
        }
        let (stop, stopped) = channel();
        let mut line = Line::new(graph.clone(), job);
        let screen = Arc::clone(screen);
        let draw = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                screen.draw(line.text());
            }
        };
        // Without a thread there is no status line, and the job runs without it.
        status.thread = std::thread::Builder::new().name("flowgate-status".into()).spawn(draw).ok();
        status.stop = Some(stop);
        status
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            let _ = thread.join();
            self.screen.draw(String::new());
        }
    }
}
