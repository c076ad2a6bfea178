//! A canary: its client learns what it has found until its time is over, it is ended, or the job ends.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use flowgate_base::clock;

use super::{Served, Timed, mistake, refused, send};
use crate::canary::CanaryRequest;
use crate::frame;
use crate::limits::{CANARY_LOOK, CANARY_REPORT_EVERY, RESPONSE_BYTES_MAX, RESPONSE_WITHIN};
use crate::message::{Reason, Response};
use crate::server::tap::has_gone;

/// Runs a canary. The first answer comes at once, as for a swap. A client that has closed its side ends it, and so does one that does not take
/// what was found.
pub(super) fn run(job: &Served, client: &UnixStream, wanted: &CanaryRequest) {
    if let Err(message) = wanted.check() {
        return send(client, &refused(Reason::SwapMisfit, message));
    }
    send(client, &Response::Swapping { operator: wanted.operator.clone() });
    let mut report = match catch_unwind(AssertUnwindSafe(|| job.subject.canary(wanted))) {
        Ok(Ok(report)) => report,
        Ok(Err(refusal)) => return send(client, &Response::Refused(refusal)),
        Err(_) => return send(client, &mistake()),
    };
    let until = clock::monotonic() + Duration::from_millis(wanted.for_ms);
    let mut next = clock::monotonic();
    loop {
        let now = clock::monotonic();
        let why = match () {
            () if job.is_over.load(SeqCst) => Some("the job has ended"),
            () if has_gone(client) => Some("it was ended"),
            () if now >= until => Some("its time is over"),
            () => None,
        };
        let Ok(found) = catch_unwind(AssertUnwindSafe(|| report(why))) else {
            return send(client, &mistake());
        };
        let has_ended = found.ended.is_some();
        if has_ended || now >= next {
            next = now + CANARY_REPORT_EVERY;
            let response = Response::Canary(Box::new(found));
            let sent = frame::write(&mut Timed::new(client, RESPONSE_WITHIN), &response, RESPONSE_BYTES_MAX);
            if has_ended || sent.is_err() {
                // It may have gone.
                let _ = client.shutdown(Shutdown::Both);
                return;
            }
        }
        std::thread::sleep(CANARY_LOOK.min(until.saturating_duration_since(now)));
    }
}

#[cfg(test)]
#[path = "canary_tests.rs"]
mod tests;
