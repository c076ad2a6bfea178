//! The server: answers for a job, on threads of its own.
//!
//! A thread accepts connections. Each one has a thread for the time in which it is served, up to
//! [`CONNECTIONS_MAX`](crate::limits::CONNECTIONS_MAX); a client that is slow loses its connection. Clients that wait for the end of
//! the job have no thread. What a client sends can end its connection and nothing else.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flowgate_base::clock;

use crate::canary::{CanaryReport, CanaryRequest};
use crate::explain::explain;
use crate::frame::{self, FrameError};
use crate::limits::{
    CONNECTIONS_MAX, REQUEST_BYTES_MAX, REQUEST_WITHIN, RESPONSE_BYTES_MAX, RESPONSE_WITHIN, STACK_BYTES, WAITING_MAX,
};
use crate::message::{
    About, Ended, Reason, Refusal, Request, Response, Saved, SwapProspect, SwapRequest, Swapped, Tap, Tapped,
};
use crate::place::{BoundSocket, Place, PlaceError};
use crate::status::Status;

mod canary;
mod tap;
#[cfg(test)]
mod watched_job;

/// The pause after an error of the system in accepting, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The job for which a server answers. Called from any thread; never from a worker.
pub trait Subject: Send + Sync + 'static {
    /// Returns the state of the job.
    fn status(&self) -> Status;

    /// Requests a stop; with `drain`, open windows emit their results. Returns whether they do: an earlier stop takes precedence.
    fn stop(&self, drain: bool) -> bool;

    /// Requests a savepoint; with `stops`, the job stops with it.
    ///
    /// # Errors
    /// Why there will be none, for people.
    fn savepoint(&self, name: &str, stops: bool) -> Result<Savepoint, String>;

    /// Taps an output.
    ///
    /// # Errors
    /// Why it cannot be tapped, for people.
    fn tap(&self, _wanted: &Tap) -> Result<TappedOutput, String> {
        Err("this job cannot be tapped".into())
    }

    /// Swaps a function, and waits until that is durable.
    ///
    /// # Errors
    /// Why the old version stays.
    fn swap(&self, _swap: &SwapRequest) -> Result<Swapped, Refusal> {
        Err(no_swaps())
    }

    /// Says what a swap would do.
    ///
    /// # Errors
    /// Why there is nothing to say.
    fn swap_prospect(&self, _swap: &SwapRequest) -> Result<SwapProspect, Refusal> {
        Err(no_swaps())
    }

    /// Runs another version of a function beside the one of the job. It ends when what is returned is dropped.
    ///
    /// # Errors
    /// Why there is none.
    fn canary(&self, _canary: &CanaryRequest) -> Result<CanaryReports, Refusal> {
        Err(no_swaps())
    }
}

/// Says what a canary has found so far; with a reason for people, it is ended before.
pub type CanaryReports = Box<dyn FnMut(Option<&str>) -> CanaryReport + Send>;

fn no_swaps() -> Refusal {
    Refusal { reason: Reason::NotUnderstood, message: "the job swaps no functions".into() }
}

/// Waits for rows of a tapped output, at most for this time, and takes them.
pub type TappedOutput = Box<dyn FnMut(Duration) -> Tapped + Send>;

/// A savepoint that is being taken.
pub struct Savepoint {
    /// Its address, `STORE#NAME`.
    pub address: String,
    /// Waits until it is complete; an error is for people.
    pub wait: Box<dyn FnOnce() -> Result<Saved, String> + Send>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no place for its socket.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// A server of one job. Dropping it ends it, and those who wait are not told how the job has ended.
pub struct Server {
    job: Arc<Served>,
    path: PathBuf,
    /// Accepts connections; a copy of the listener, with which it is woken.
    listener: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads of a server share.
struct Served {
    about: About,
    subject: Arc<dyn Subject>,
    is_over: AtomicBool,
    /// Connections that are being served.
    serving: AtomicUsize,
    /// Those of them that show a tap.
    tapping: AtomicUsize,
    /// Clients that wait for the end.
    waiting: Mutex<Waiting>,
}

/// Clients that wait for the end of the job.
#[derive(Default)]
struct Waiting {
    clients: Vec<UnixStream>,
    /// How the job has ended, as a frame.
    ended: Option<Vec<u8>>,
}

impl Server {
    /// Starts answering for a job.
    ///
    /// # Errors
    /// There is no place for the socket, or the system refuses a thread.
    pub fn start(place: &Place, about: About, subject: Arc<dyn Subject>) -> Result<Server, StartError> {
        Server::start_on(place.bind(&about.job, about.pid)?, about, subject)
    }

    /// Starts answering for a job on a socket that is bound: a process that confines itself binds it before.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start_on(socket: BoundSocket, about: About, subject: Arc<dyn Subject>) -> Result<Server, StartError> {
        let job = Arc::new(Served {
            about,
            subject,
            is_over: AtomicBool::new(false),
            serving: AtomicUsize::new(0),
            tapping: AtomicUsize::new(0),
            waiting: Mutex::default(),
        });
        // Shutting a listener down wakes who accepts from it; the library offers that for streams alone.
        let listener = socket.listener.try_clone().ok().map(|copy| UnixStream::from(OwnedFd::from(copy)));
        let theirs = Arc::clone(&job);
        let path = socket.path.clone();
        let accept = move || accept(&theirs, &socket);
        let thread = thread("flowgate-control", accept).map_err(StartError::Thread)?;
        Ok(Server { job, path, listener, thread: Some(thread) })
    }

    /// Returns the path of its socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends, and tells clients that wait how the job has ended. Waits for no client.
    pub fn end(self, ended: Ended) {
        let frame = frame::encode(&Response::Ended(ended), RESPONSE_BYTES_MAX).unwrap_or_default();
        let mut waiting = self.job.waiting();
        waiting.clients.drain(..).for_each(|client| tell(&client, &frame));
        waiting.ended = Some(frame);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.job.is_over.store(true, SeqCst);
        let woken = self.listener.take().is_some_and(|listener| listener.shutdown(Shutdown::Both).is_ok());
        // Where the system does not wake it so, the thread ends with the process.
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

impl Served {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(run)
}

/// Accepts connections until the server ends. The socket goes with this thread.
fn accept(job: &Arc<Served>, socket: &BoundSocket) {
    while !job.is_over.load(SeqCst) {
        match socket.listener.accept() {
            Ok((client, _)) => admit(job, client),
            Err(_) if job.is_over.load(SeqCst) => {}
            Err(_) => std::thread::sleep(ACCEPT_PAUSE),
        }
    }
}

/// Gives a connection a thread, if there is one left.
fn admit(job: &Arc<Served>, client: UnixStream) {
    let served = Serving::begin(job);
    if served.number > CONNECTIONS_MAX {
        let refusal = refused(Reason::TooMany, format!("{CONNECTIONS_MAX} clients are connected already"));
        return tell(&client, &frame::encode(&refusal, RESPONSE_BYTES_MAX).unwrap_or_default());
    }
    // Without a thread, the connection is closed, and the client says so.
    let _ = thread("flowgate-control", move || serve(&served.job, client));
}

/// A connection that is being served.
struct Serving {
    job: Arc<Served>,
    /// The number of connections, with this one.
    number: usize,
}

impl Serving {
    fn begin(job: &Arc<Served>) -> Serving {
        Serving { job: Arc::clone(job), number: job.serving.fetch_add(1, SeqCst) + 1 }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.job.serving.fetch_sub(1, SeqCst);
    }
}

/// Answers one request. An error is the client's, who has gone or is too slow.
fn serve(job: &Served, client: UnixStream) {
    let request = frame::read(&mut Timed::new(&client, REQUEST_WITHIN), REQUEST_BYTES_MAX);
    let response = match request {
        Ok(Request::Stop { drain: true, savepoint: Some(_), .. }) => {
            refused(Reason::NotUnderstood, "a job that is drained has nothing left for a savepoint".into())
        }
        Ok(Request::Stop { drain, wait, savepoint }) => return stop(job, client, drain, wait, savepoint.as_deref()),
        Ok(Request::Savepoint { name }) => return save(job, &client, &name),
        Ok(Request::Tap(wanted)) => return tap::show(job, &client, &wanted),
        Ok(Request::Swap(swap)) => return swap_function(job, &client, swap),
        Ok(Request::Canary(wanted)) => return canary::run(job, &client, &wanted),
        Ok(request) => catch_unwind(AssertUnwindSafe(|| answer(job, request))).unwrap_or_else(|_| mistake()),
        // A look at whether somebody is here.
        Err(FrameError::Closed | FrameError::Io(_)) => return,
        Err(error) => refused(Reason::NotUnderstood, error.to_string()),
    };
    send(&client, &response);
}

fn answer(job: &Served, request: Request) -> Response {
    match request {
        Request::Status {} => Response::Status(Box::new(job.subject.status())),
        Request::Explain { operator } => {
            let status = job.subject.status();
            match explain(&status, &operator) {
                Some(explanation) => Response::Explanation(explanation),
                None => {
                    let names: Vec<&str> = status.operators.iter().map(|operator| operator.name.as_str()).collect();
                    let names = names.join(", ");
                    refused(Reason::NoSuchOperator, format!("the job has no operator `{operator}`; it has {names}"))
                }
            }
        }
        Request::About {}
        | Request::Stop { .. }
        | Request::Savepoint { .. }
        | Request::Tap(_)
        | Request::Swap(_)
        | Request::Canary(_) => Response::About(job.about.clone()),
    }
}

/// Takes a savepoint, and answers when it is complete. The client may go: the savepoint is taken nevertheless.
fn save(job: &Served, client: &UnixStream, name: &str) {
    let saving = match catch_unwind(AssertUnwindSafe(|| job.subject.savepoint(name, false))) {
        Ok(Ok(saving)) => saving,
        Ok(Err(message)) => return send(client, &refused(Reason::NoSavepoint, message)),
        Err(_) => return send(client, &mistake()),
    };
    send(client, &Response::Saving { address: saving.address });
    send(
        client,
        &match (saving.wait)() {
            Ok(saved) => Response::Saved(saved),
            Err(message) => refused(Reason::NoSavepoint, message),
        },
    );
}

/// Swaps a function. The first answer comes at once: compiling a plugin may take longer than a client waits for one. The client may go:
/// the swap happens nevertheless.
fn swap_function(job: &Served, client: &UnixStream, swap: SwapRequest) {
    send(client, &Response::Swapping { operator: swap.operator.clone() });
    let subject = || match swap.dry_run {
        true => job.subject.swap_prospect(&swap).map(Response::Prospect),
        false => job.subject.swap(&swap).map(Response::Swapped),
    };
    let response = match catch_unwind(AssertUnwindSafe(subject)) {
        Ok(response) => response.unwrap_or_else(Response::Refused),
        Err(_) => mistake(),
    };
    send(client, &response);
}

/// Stops the job. The end of the job waits for this: a client that waits is noted before it can be missed, and nothing here waits
/// for a client.
fn stop(job: &Served, client: UnixStream, drain: bool, wait: bool, savepoint: Option<&str>) {
    let mut waiting = job.waiting();
    if wait && !waiting.have_room() {
        let refusal = refused(Reason::TooMany, format!("{WAITING_MAX} clients wait for the end already"));
        return tell(&client, &frame::encode(&refusal, RESPONSE_BYTES_MAX).unwrap_or_default());
    }
    let request = || match savepoint {
        None => Response::Stopping { drains: job.subject.stop(drain), savepoint: None },
        // The job says at its end whether it was written.
        Some(name) => match job.subject.savepoint(name, true) {
            Ok(saving) => Response::Stopping { drains: false, savepoint: Some(saving.address) },
            Err(message) => refused(Reason::NoSavepoint, message),
        },
    };
    let response = match catch_unwind(AssertUnwindSafe(request)) {
        Ok(response) => response,
        Err(_) => mistake(),
    };
    tell(&client, &frame::encode(&response, RESPONSE_BYTES_MAX).unwrap_or_default());
    let Waiting { clients, ended } = &mut *waiting;
    match ended {
        _ if !wait => {}
        Some(frame) => tell(&client, frame),
        None => clients.push(client),
    }
}

impl Waiting {
    /// Whether another client can wait. Those that have gone make room.
    fn have_room(&mut self) -> bool {
        if self.clients.len() >= WAITING_MAX {
            self.clients.retain(|client| !has_gone(client));
        }
        self.clients.len() < WAITING_MAX
    }
}

/// Whether a client that has nothing more to say has closed its connection.
fn has_gone(mut client: &UnixStream) -> bool {
    let read = client.set_nonblocking(true).and_then(|()| client.read(&mut [0]));
    !read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// The answer where the job's own code panics.
fn mistake() -> Response {
    refused(Reason::Internal, "a mistake in Flowgate; please report it".into())
}

fn refused(reason: Reason, message: String) -> Response {
    Response::Refused(Refusal { reason, message })
}

/// Sends a response, within the time for it.
fn send(client: &UnixStream, response: &Response) {
    let mut timed = Timed::new(client, RESPONSE_WITHIN);
    let sent = frame::write(&mut timed, response, RESPONSE_BYTES_MAX);
    if let Err(error @ FrameError::TooLong(..)) = sent {
        // Writing this fails only for a client that has gone.
        let _ = frame::write(&mut timed, &refused(Reason::Internal, error.to_string()), RESPONSE_BYTES_MAX);
    }
}

/// Sends a frame as far as the system takes it at once: more than any client has to have read before.
fn tell(mut client: &UnixStream, frame: &[u8]) {
    // A client that has gone, or has not read for long, learns nothing.
    let _ = client.set_nonblocking(true).and_then(|()| client.write_all(frame));
}

/// A connection that fails when its time is over, however slowly bytes pass.
struct Timed<'a> {
    stream: &'a UnixStream,
    until: Instant,
}

impl<'a> Timed<'a> {
    fn new(stream: &'a UnixStream, within: Duration) -> Self {
        Timed { stream, until: clock::monotonic() + within }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until.saturating_duration_since(clock::monotonic()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(bytes)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
