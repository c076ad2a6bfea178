//! A tap: rows go to a client until it has gone, has enough, or the job ends.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;

use super::{Served, Timed, mistake, refused, send};
use crate::frame;
use crate::limits::{RESPONSE_BYTES_MAX, RESPONSE_WITHIN, TAP_BYTES_MAX, TAP_LOOK, TAP_ROWS_PER_S_MAX, TAPS_MAX};
use crate::message::{Reason, Response, Tap, Tapped};

/// Counts a tap while it lasts.
struct Tapping<'a> {
    job: &'a Served,
    /// The number of taps, with this one.
    number: usize,
}

impl<'a> Tapping<'a> {
    fn begin(job: &'a Served) -> Tapping<'a> {
        Tapping { job, number: job.tapping.fetch_add(1, SeqCst) + 1 }
    }
}

impl Drop for Tapping<'_> {
    fn drop(&mut self) {
        self.job.tapping.fetch_sub(1, SeqCst);
    }
}

/// Shows the rows of an output. A client that does not take them loses some, and then its connection.
pub(super) fn show(job: &Served, client: &UnixStream, wanted: &Tap) {
    let tapping = Tapping::begin(job);
    if tapping.number > TAPS_MAX {
        return send(client, &refused(Reason::TooMany, format!("{TAPS_MAX} clients tap the job already")));
    }
    let wanted = Tap { rows_per_s: wanted.rows_per_s.min(TAP_ROWS_PER_S_MAX), ..wanted.clone() };
    let mut rows = match catch_unwind(AssertUnwindSafe(|| job.subject.tap(&wanted))) {
        Ok(Ok(rows)) => rows,
        Ok(Err(message)) => return send(client, &refused(Reason::NoTap, message)),
        Err(_) => return send(client, &mistake()),
    };
    let mut left = wanted.rows_max.unwrap_or(u64::MAX);
    // The first answer, which may have no rows, says that the output is tapped.
    let mut tapped = Tapped { is_last: left == 0, ..Tapped::default() };
    loop {
        let is_last = tapped.is_last;
        let sent =
            frame::write(&mut Timed::new(client, RESPONSE_WITHIN), &Response::Tapped(tapped), RESPONSE_BYTES_MAX);
        if is_last || sent.is_err() {
            return;
        }
        tapped = loop {
            let Ok(mut taken) = catch_unwind(AssertUnwindSafe(|| rows(TAP_LOOK))) else {
                return send(client, &mistake());
            };
            let is_over = job.is_over.load(SeqCst);
            if !taken.rows.is_empty() || taken.lost_rows > 0 || is_over {
                limit(&mut taken, left);
                left -= taken.rows.len() as u64;
                taken.is_last = is_over || left == 0;
                break taken;
            }
            if has_gone(client) {
                return;
            }
        };
    }
}

/// Takes as many rows as are left, and no more bytes than a response has.
fn limit(tapped: &mut Tapped, left: u64) {
    let (mut count, mut bytes) = (0, 0);
    for row in &tapped.rows {
        bytes += row.len();
        if count as u64 == left || bytes > TAP_BYTES_MAX {
            break;
        }
        count += 1;
    }
    tapped.lost_rows += (tapped.rows.len() - count) as u64;
    tapped.rows.truncate(count);
}

/// Whether a client, which has nothing more to say, has closed its connection.
pub(super) fn has_gone(mut client: &UnixStream) -> bool {
    let read = client.set_nonblocking(true).and_then(|()| client.read(&mut [0]));
    let blocking = client.set_nonblocking(false);
    blocking.is_err() || !read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
