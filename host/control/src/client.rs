//! The client: finds running jobs, and asks them.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::canary::{CanaryReport, CanaryRequest};
use crate::explain::Explanation;
use crate::frame::{self, FrameError};
use crate::limits::{REQUEST_BYTES_MAX, REQUEST_WITHIN, RESPONSE_BYTES_MAX, RESPONSE_WITHIN};
use crate::message::{
    About, Ended, Refusal, Request, Response, Saved, SwapProspect, SwapRequest, Swapped, Tap, Tapped,
};
use crate::place::{Found, Place, PlaceError};
use crate::status::Status;

/// Why a job does not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It cannot be reached.
    #[error("{0}")]
    Unreachable(io::Error),
    /// It was reached, and is silent for the time in which it has to answer.
    #[error("it has not answered for {} s; is it paused?", .0.as_secs())]
    Silent(Duration),
    /// It ended before it answered.
    #[error("it ended before it answered")]
    Gone,
    /// What it says is no response.
    #[error(transparent)]
    Frame(FrameError),
    /// A response to another request.
    #[error("it answered something else")]
    Confused,
    /// It refuses.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

/// What was found of a job.
#[derive(Debug)]
pub struct Listed {
    /// Its socket.
    pub found: Found,
    /// Who it says that it is.
    pub about: Result<About, AskError>,
}

/// A client of the jobs of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    place: Place,
}

impl Client {
    /// Creates a client.
    pub fn new(place: Place) -> Client {
        Client { place }
    }

    /// Returns the jobs that run, by name and process, and the folders that were not looked into.
    pub fn jobs(&self) -> (Vec<Listed>, Vec<PlaceError>) {
        let (sockets, refused) = self.place.sockets();
        let asked = sockets.into_iter().map(|found| {
            let about = about(&found);
            Listed { found, about }
        });
        // One that has ended meanwhile does not run.
        let running = asked.filter(|job| !matches!(job.about, Err(AskError::Gone)));
        (running.collect(), refused)
    }
}

fn about(job: &Found) -> Result<About, AskError> {
    match ask(job, &Request::About {})?.0 {
        Response::About(about) => Ok(about),
        other => Err(unexpected(other)),
    }
}

/// Returns the state of a job.
///
/// # Errors
/// It does not answer.
pub fn status(job: &Found) -> Result<Status, AskError> {
    match ask(job, &Request::Status {})?.0 {
        Response::Status(status) => Ok(*status),
        other => Err(unexpected(other)),
    }
}

/// Returns why nothing comes out of an operator.
///
/// # Errors
/// It does not answer, or has no such operator.
pub fn explanation(job: &Found, operator: &str) -> Result<Explanation, AskError> {
    match ask(job, &Request::Explain { operator: operator.into() })?.0 {
        Response::Explanation(explanation) => Ok(explanation),
        other => Err(unexpected(other)),
    }
}

/// A job that was stopped.
#[derive(Debug)]
pub struct Stopped {
    /// Whether open windows emit their results.
    pub drains: bool,
    /// The address of the savepoint with which it stops.
    pub savepoint: Option<String>,
    connection: UnixStream,
}

/// Stops a job, with a savepoint of this name if there is one. With `wait`, [`Stopped::wait`] returns how it has ended.
///
/// # Errors
/// It does not answer, or takes no savepoint.
pub fn stop(job: &Found, drain: bool, wait: bool, savepoint: Option<String>) -> Result<Stopped, AskError> {
    match ask(job, &Request::Stop { drain, wait, savepoint })? {
        (Response::Stopping { drains, savepoint }, connection) => Ok(Stopped { drains, savepoint, connection }),
        (other, _) => Err(unexpected(other)),
    }
}

/// A savepoint that a job takes.
#[derive(Debug)]
pub struct Saving {
    /// Its address, `STORE#NAME`.
    pub address: String,
    connection: UnixStream,
}

/// Requests a savepoint of a job, which goes on.
///
/// # Errors
/// It does not answer, or takes no savepoint.
pub fn savepoint(job: &Found, name: &str) -> Result<Saving, AskError> {
    match ask(job, &Request::Savepoint { name: name.into() })? {
        (Response::Saving { address }, connection) => Ok(Saving { address, connection }),
        (other, _) => Err(unexpected(other)),
    }
}

/// Rows of a running job that arrive.
#[derive(Debug)]
pub struct Tapping {
    connection: UnixStream,
    is_over: bool,
}

/// Taps an output of a job. Dropping what is returned ends it.
///
/// # Errors
/// It does not answer, or has no such output.
pub fn tap(job: &Found, wanted: Tap) -> Result<Tapping, AskError> {
    match ask(job, &Request::Tap(wanted))? {
        // It has no rows yet.
        (Response::Tapped(tapped), connection) => Ok(Tapping { connection, is_over: tapped.is_last }),
        (other, _) => Err(unexpected(other)),
    }
}

/// Ends a tap when it is dropped, also one whose rows are waited for.
#[derive(Debug)]
pub struct EndsTap(UnixStream);

impl Drop for EndsTap {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Tapping {
    /// Returns what ends the tap, from any thread.
    ///
    /// # Errors
    /// The system has no descriptor for it.
    pub fn ends(&self) -> io::Result<EndsTap> {
        self.connection.try_clone().map(EndsTap)
    }

    /// Waits for rows, however long it takes; `None` where there will be none.
    ///
    /// # Errors
    /// The job ended without saying so, as by a second signal.
    pub fn rows(&mut self) -> Result<Option<Tapped>, AskError> {
        if self.is_over {
            return Ok(None);
        }
        self.connection.set_read_timeout(None).map_err(AskError::Unreachable)?;
        match frame::read(&mut self.connection, RESPONSE_BYTES_MAX).map_err(failed)? {
            Response::Tapped(tapped) => {
                self.is_over = tapped.is_last;
                Ok(Some(tapped))
            }
            other => Err(unexpected(other)),
        }
    }
}

impl Saving {
    /// Waits until the savepoint is complete, however long it takes.
    ///
    /// # Errors
    /// The savepoint cannot be written, or the job ended before.
    pub fn wait(mut self) -> Result<Saved, AskError> {
        match later(&mut self.connection)? {
            Response::Saved(saved) => Ok(saved),
            other => Err(unexpected(other)),
        }
    }
}

/// A swap that a job prepares.
#[derive(Debug)]
pub struct Swapping {
    connection: UnixStream,
}

/// Requests the swap of a function of a job.
///
/// # Errors
/// It does not answer, or knows no swaps.
pub fn swap(job: &Found, swap: SwapRequest) -> Result<Swapping, AskError> {
    match ask(job, &Request::Swap(swap))? {
        (Response::Swapping { .. }, connection) => Ok(Swapping { connection }),
        (other, _) => Err(unexpected(other)),
    }
}

impl Swapping {
    /// Waits until the swap is durable, however long it takes.
    ///
    /// # Errors
    /// The old version stays, or the job ended before.
    pub fn wait(mut self) -> Result<Swapped, AskError> {
        match later(&mut self.connection)? {
            Response::Swapped(swapped) => Ok(swapped),
            other => Err(unexpected(other)),
        }
    }

    /// Waits for what the swap would do; it was requested with `dry_run`.
    ///
    /// # Errors
    /// The swap would be refused, or the job ended before.
    pub fn prospect(mut self) -> Result<SwapProspect, AskError> {
        match later(&mut self.connection)? {
            Response::Prospect(prospect) => Ok(prospect),
            other => Err(unexpected(other)),
        }
    }
}

/// A canary that runs. Dropping this ends it.
#[derive(Debug)]
pub struct Comparing {
    connection: UnixStream,
    is_over: bool,
}

/// Requests a canary of a function of a job.
///
/// # Errors
/// It does not answer, or knows no canaries.
pub fn canary(job: &Found, canary: CanaryRequest) -> Result<Comparing, AskError> {
    match ask(job, &Request::Canary(canary))? {
        (Response::Swapping { .. }, connection) => Ok(Comparing { connection, is_over: false }),
        (other, _) => Err(unexpected(other)),
    }
}

/// Ends a canary, from any thread; what it has found comes nevertheless.
#[derive(Debug)]
pub struct EndsCanary(UnixStream);

impl EndsCanary {
    /// Ends it.
    pub fn end(&self) {
        // It may have ended.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

impl Comparing {
    /// Returns what ends the canary.
    ///
    /// # Errors
    /// The system has no descriptor for it.
    pub fn ends(&self) -> io::Result<EndsCanary> {
        self.connection.try_clone().map(EndsCanary)
    }

    /// Waits for what was found: the first time until the new version is open, and then about half a second. `None`: it has ended, and said
    /// why.
    ///
    /// # Errors
    /// The new version does not fit, or the job ended without saying so.
    pub fn report(&mut self) -> Result<Option<CanaryReport>, AskError> {
        if self.is_over {
            return Ok(None);
        }
        match later(&mut self.connection)? {
            Response::Canary(report) => {
                self.is_over = report.ended.is_some();
                Ok(Some(*report))
            }
            other => Err(unexpected(other)),
        }
    }
}

impl Stopped {
    /// Waits for the end of the job, however long it takes.
    ///
    /// # Errors
    /// The job ended without saying how, as by a second signal.
    pub fn wait(mut self) -> Result<Ended, AskError> {
        match later(&mut self.connection)? {
            Response::Ended(ended) => Ok(ended),
            other => Err(unexpected(other)),
        }
    }
}

fn ask(job: &Found, request: &Request) -> Result<(Response, UnixStream), AskError> {
    let mut connection = UnixStream::connect(&job.path).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => AskError::Gone,
        _ => AskError::Unreachable(error),
    })?;
    connection.set_write_timeout(Some(REQUEST_WITHIN)).map_err(AskError::Unreachable)?;
    connection.set_read_timeout(Some(RESPONSE_WITHIN)).map_err(AskError::Unreachable)?;
    // A job that refuses the connection has said so already, and may have closed it.
    let written = frame::write(&mut connection, request, REQUEST_BYTES_MAX);
    let response = frame::read(&mut connection, RESPONSE_BYTES_MAX);
    match (written, response) {
        (_, Ok(response)) => Ok((response, connection)),
        (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(failed(error)),
    }
}

/// Waits for a further response, however long it takes.
fn later(connection: &mut UnixStream) -> Result<Response, AskError> {
    connection.set_read_timeout(None).map_err(AskError::Unreachable)?;
    frame::read(connection, RESPONSE_BYTES_MAX).map_err(failed)
}

fn failed(error: FrameError) -> AskError {
    match error {
        FrameError::Closed => AskError::Gone,
        FrameError::Io(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AskError::Silent(RESPONSE_WITHIN),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => AskError::Gone,
            _ => AskError::Unreachable(error),
        },
        error => AskError::Frame(error),
    }
}

fn unexpected(response: Response) -> AskError {
    match response {
        Response::Refused(refusal) => AskError::Refused(refusal),
        _ => AskError::Confused,
    }
}
