//! The status line: drawn on standard error below the rows, while a job runs on a terminal.

use std::io::{self, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::figures;
use crate::clock;
use crate::dataflow::job_state::JobState;
use crate::job::graph::{JobGraph, NodeKind};
use crate::shown;

/// How often it is drawn.
const INTERVAL: Duration = Duration::from_millis(250);

/// Rows a second are those of about this long.
const RATE_OVER: Duration = Duration::from_secs(2);

/// Erases the line on which the cursor is.
const ERASE: &str = "\r\x1b[2K";

/// The terminal, shared by rows on standard output and the status line on standard error.
pub(super) struct Screen {
    shows_status: bool,
    line: Mutex<String>,
}

impl Screen {
    pub(super) fn new(shows_status: bool) -> Self {
        Screen { shows_status, line: Mutex::default() }
    }

    /// Standard output; the status line makes way for what is written.
    pub(super) fn stdout(self: &Arc<Self>) -> impl Write + Send + use<> {
        ScreenWriter(Arc::clone(self))
    }

    fn draw(&self, text: String) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if *line != text {
            put(&format!("{ERASE}{text}"));
            *line = text;
        }
    }
}

/// What concerns the status line alone is not worth an error.
fn put(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

struct ScreenWriter(Arc<Screen>);

impl Write for ScreenWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let line = self.0.line.lock().unwrap_or_else(PoisonError::into_inner);
        if !line.is_empty() {
            put(ERASE);
        }
        let mut stdout = io::stdout().lock();
        // Tables are safe to show already; JSON is not, where a terminal reads it.
        let text = shown::json(&String::from_utf8_lossy(bytes));
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        if !line.is_empty() {
            put(&line);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
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
        let mut line = Line::new(graph, job);
        let screen = Arc::clone(screen);
        let draw = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                screen.draw(line.text());
            }
        };
        // Without a thread there is no status line, and the job runs all the same.
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

/// What the line says.
struct Line {
    name: String,
    sources: Vec<usize>,
    sinks: Vec<usize>,
    job: Arc<JobState>,
    /// When there were how many rows, over the last while.
    past: Vec<(Instant, u64)>,
}

impl Line {
    fn new(graph: &JobGraph, job: Arc<JobState>) -> Self {
        let of = |wanted: fn(&NodeKind) -> bool| {
            (0..graph.nodes.len()).filter(|i| wanted(&graph.nodes[*i].kind)).collect::<Vec<_>>()
        };
        Line {
            name: graph.name.clone(),
            sources: of(|kind| matches!(kind, NodeKind::Source(_))),
            sinks: of(|kind| matches!(kind, NodeKind::Sink(_))),
            job,
            past: vec![(Instant::now(), 0)],
        }
    }

    fn rows_in(&self, nodes: &[usize]) -> u64 {
        nodes.iter().map(|n| self.job.metrics.nodes[*n].rows_in.load(Relaxed)).sum()
    }

    fn text(&mut self) -> String {
        let (now, rows) = (Instant::now(), self.rows_in(&self.sources));
        while self.past.len() > 1 && now - self.past[0].0 > RATE_OVER {
            self.past.remove(0);
        }
        let (then, before) = self.past[0];
        let rate = (rows - before) as f64 / (now - then).as_secs_f64().max(0.001);
        self.past.push((now, rows));
        let mut text = format!(
            "{}  {} rows/s  {} in  {} out",
            self.name,
            figures::short(rate),
            figures::short(rows as f64),
            figures::short(self.rows_in(&self.sinks) as f64)
        );
        if let Some(watermark) = self.job.metrics.watermark() {
            let lag = clock::now_ms().saturating_sub(watermark);
            text += &format!("  watermark {}  lag {}", figures::time(watermark), figures::lag(lag));
        }
        let total = |of: fn(&crate::dataflow::metrics::NodeMetrics) -> u64| -> u64 {
            self.job.metrics.nodes.iter().map(|n| of(n)).sum()
        };
        for (count, what) in [(total(|n| n.errors.load(Relaxed)), "errors"), (total(|n| n.late.load(Relaxed)), "late")]
        {
            if count > 0 {
                text += &format!("  {} {what}", figures::short(count as f64));
            }
        }
        // A line that wraps could not be erased.
        let width = super::terminal::stderr_width().unwrap_or(80).saturating_sub(1) as usize;
        text.chars().take(width).collect()
    }
}
