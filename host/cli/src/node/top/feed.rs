//! What the node says, on threads of their own, which end with the program.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use flowgate_api::job::{JobDetail, JobFigures};
use flowgate_api::tenant::Usage;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};

use super::super::events::Events;
use super::super::session::Session;
use super::model::News;

/// The time between two looks at the opened job.
const DETAIL_EVERY: Duration = Duration::from_secs(1);

/// The time between two looks at what the tenant takes.
const USAGE_EVERY: Duration = Duration::from_secs(5);

/// The shortest and the longest time after which the stream is opened again.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Follows the jobs of a tenant: the stream at `path`.
pub(super) fn jobs(session: Arc<Session>, path: String, to: Sender<News>) -> Result<()> {
    let follow = move || {
        let (shortest, longest) = AGAIN_AFTER;
        let mut pause = shortest;
        loop {
            let begun = clock::monotonic();
            let why = match once(&session, &path, &to) {
                // Nobody looks any more.
                Ok(()) => return,
                Err(why) => why,
            };
            pause = if begun.elapsed() > longest { shortest } else { (pause * 2).min(longest) };
            if to.send(News::Silent(why)).is_err() {
                return;
            }
            thread::sleep(pause);
        }
    };
    spawn("flowgate-jobs", follow)
}

/// Follows the stream once. Returns why it ended, or nothing if nobody looks any more.
fn once(session: &Session, path: &str, to: &Sender<News>) -> std::result::Result<(), String> {
    let stream = session.client.stream(path).map_err(|error| error.message)?;
    if to.send(News::Begins).is_err() {
        return Ok(());
    }
    for event in Events::new(stream) {
        let event = event.map_err(|e| format!("the node does not answer: {e}"))?;
        let news = match event.name.as_str() {
            "job" => match serde_json::from_str::<JobFigures>(&event.data) {
                Ok(figures) => News::Job(Box::new(figures)),
                Err(e) => return Err(format!("the node says something else: {e}")),
            },
            // Its data is a JSON text.
            "gone" => News::Gone(serde_json::from_str(&event.data).unwrap_or(event.data)),
            _ => continue,
        };
        if to.send(news).is_err() {
            return Ok(());
        }
    }
    Err("the node has ended the stream".into())
}

/// Looks at the job that `wanted` names last, and at what the tenant takes.
pub(super) fn details(
    session: Arc<Session>,
    tenant_path: String,
    wanted: Receiver<Option<String>>,
    to: Sender<News>,
) -> Result<()> {
    let look = move || {
        let mut job: Option<String> = None;
        let mut usage_at: Option<Instant> = None;
        loop {
            if usage_at.is_none_or(|at| at.elapsed() >= USAGE_EVERY) {
                usage_at = Some(clock::monotonic());
                // What does not come is not shown.
                if let Ok(usage) = session.client.get::<Usage>(&format!("{tenant_path}/usage"))
                    && to.send(News::Usage(Box::new(usage))).is_err()
                {
                    return;
                }
            }
            let detail = job.as_ref().and_then(|job| session.path(&["jobs", job]).ok());
            if let Some(Ok(detail)) = detail.map(|path| session.client.get::<JobDetail>(&path))
                && to.send(News::Detail(Box::new(detail))).is_err()
            {
                return;
            }
            match wanted.recv_timeout(DETAIL_EVERY) {
                Ok(next) => job = next,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    spawn("flowgate-details", look)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name(name.into()).spawn(work);
    thread.map(drop).map_err(|e| Error::io("cannot start a thread", &e))
}
