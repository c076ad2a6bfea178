//! Calls of plugins that ended without an answer, in the folder of the attempt: a bounded number of files and an index, written by a
//! thread of their own. `flowgate plugin replay` makes such a call again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use flowgate::running::current_worker;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_wall::{RecordLog, RecordedCall};
use serde::{Deserialize, Serialize};

use crate::concealed::concealed;
use crate::limits::{RECORD_BYTES_MAX, RECORDS_BYTES_MAX, RECORDS_MAX, RECORDS_OF_OPERATOR_MAX, RECORDS_WAITING_MAX};

/// The folder of the files, in that of the attempt.
const FOLDER: &str = "records";

/// The file of the index: one [`Recorded`] a line.
const INDEX: &str = "index.jsonl";

/// A call that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its number in the attempt, from 1.
    pub number: u32,
    /// When it ended, Unix milliseconds.
    pub at_ms: i64,
    /// The operator.
    pub operator: String,
    /// The worker.
    pub worker: Option<u32>,
    /// The SHA-256 of the component, as hexadecimal digits.
    pub sha256: String,
    /// The function.
    pub function: String,
    /// What was called, as in the contract.
    pub called: String,
    /// The number of rows, timers, accumulators or values that it was given.
    pub given: usize,
    /// Why it ended.
    pub reason: String,
    /// The bytes of the file.
    pub bytes: u64,
}

/// Records calls of one attempt.
pub struct Records {
    known: Mutex<Known>,
    send: SyncSender<Order>,
}

/// What was recorded so far.
#[derive(Default)]
struct Known {
    /// The number of the last one that was there.
    before: u32,
    count: usize,
    /// By operator: the reasons.
    reasons: BTreeMap<String, Vec<String>>,
}

impl Known {
    fn has_room(&self, operator: &str, reason: &str) -> bool {
        let reasons = self.reasons.get(operator);
        self.count < RECORDS_MAX
            && reasons.is_none_or(|known| {
                known.len() < RECORDS_OF_OPERATOR_MAX && !known.iter().any(|before| before == reason)
            })
    }
}

enum Order {
    Write(Box<RecordedCall>, Recorded),
    /// Says when everything before it is written.
    Flush(SyncSender<()>),
}

/// Tells somebody of a call that was recorded, or why none was.
pub type Tell = Box<dyn Fn(std::result::Result<&Recorded, &str>) + Send>;

impl Records {
    /// Begins to record calls of an attempt, which has this folder.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn of_attempt(attempt: &Path, tell: Tell) -> Result<Records> {
        Records::begin(attempt.join(FOLDER), tell)
    }

    /// Begins to record calls in a folder, which is created with the first one. Those that are there stay.
    ///
    /// # Errors
    /// The thread cannot be started, or the folder not be read.
    pub fn begin(folder: PathBuf, tell: Tell) -> Result<Records> {
        let before = index(&folder)?.last().map_or(0, |recorded| recorded.number);
        let (send, orders) = sync_channel(RECORDS_WAITING_MAX);
        thread::Builder::new()
            .name("flowgate-records".into())
            .spawn(move || write_all(&folder, &orders, &tell))
            .map_err(|e| Error::io("cannot start the thread that records calls", &e))?;
        Ok(Records { known: Mutex::new(Known { before, ..Known::default() }), send })
    }

    /// Waits until what was recorded is written.
    pub fn flush(&self, within: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.send.try_send(Order::Flush(done)).is_ok() {
            // Late, or the thread has ended: what is not written is lost with the process.
            let _ = is_done.recv_timeout(within);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordLog for Records {
    fn has_room(&self, operator: &str, reason: &str) -> bool {
        self.known().has_room(operator, reason)
    }

    fn take(&self, mut call: RecordedCall) {
        let reason = call.reason.clone();
        // Rows are not texts.
        call.config = concealed(call.config);
        call.reason = concealed(call.reason);
        let mut known = self.known();
        // Another worker may have taken the room.
        if !known.has_room(&call.operator, &reason) {
            return;
        }
        let recorded = Recorded {
            number: known.before + known.count as u32 + 1,
            at_ms: clock::now_ms(),
            operator: call.operator.clone(),
            worker: current_worker().map(|worker| worker.0),
            sha256: call.sha256.clone(),
            function: call.function.clone(),
            called: call.given.name().into(),
            given: call.given.len(),
            reason: call.reason.clone(),
            bytes: 0,
        };
        let operator = recorded.operator.clone();
        // Whoever processes rows does not wait for a disk.
        if self.send.try_send(Order::Write(Box::new(call), recorded)).is_ok() {
            known.count += 1;
            known.reasons.entry(operator).or_default().push(reason);
        }
    }
}

/// Writes what is sent, until nobody sends any more.
fn write_all(folder: &Path, orders: &Receiver<Order>, tell: &Tell) {
    let mut room = RECORDS_BYTES_MAX;
    for order in orders {
        match order {
            Order::Write(call, recorded) => match write(folder, &call, recorded, room) {
                Ok(recorded) => {
                    room = room.saturating_sub(recorded.bytes);
                    tell(Ok(&recorded));
                }
                Err(error) => tell(Err(&error.message)),
            },
            // Nobody waits for a late one.
            Order::Flush(done) => _ = done.try_send(()),
        }
    }
}

fn write(folder: &Path, call: &RecordedCall, mut recorded: Recorded, room: u64) -> Result<Recorded> {
    let operator = &recorded.operator;
    let text = call.to_text()?;
    recorded.bytes = text.len() as u64;
    if recorded.bytes > RECORD_BYTES_MAX.min(room) {
        let bytes = flowgate_base::quantity::Bytes(recorded.bytes);
        return Err(Error::internal(format!(
            "a call of `{operator}` was not recorded: it has {bytes}, and there is no room"
        )));
    }
    let cannot = |e: io::Error| Error::io(format_args!("a call of `{operator}` was not recorded"), &e);
    fs::create_dir_all(folder).map_err(cannot)?;
    let path = file(folder, recorded.number);
    let unfinished = path.with_extension("part");
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(&text)?;
        fs::rename(&unfinished, &path)?;
        let mut line = serde_json::to_vec(&recorded).map_err(io::Error::from)?;
        line.push(b'\n');
        OpenOptions::new().create(true).append(true).open(folder.join(INDEX))?.write_all(&line)
    });
    written.map_err(cannot)?;
    Ok(recorded)
}

/// Returns the file of a recorded call.
pub fn file(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number}.json"))
}

/// Returns the calls that were recorded in an attempt, in their order.
///
/// # Errors
/// The index cannot be read.
pub fn list(attempt: &Path) -> Result<Vec<Recorded>> {
    index(&attempt.join(FOLDER))
}

fn index(folder: &Path) -> Result<Vec<Recorded>> {
    let text = match fs::read_to_string(folder.join(INDEX)) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("the recorded calls cannot be read", &e)),
    };
    // A line that was not written whole, because the process was killed, is none.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Returns the file of a recorded call of an attempt.
pub fn path(attempt: &Path, number: u32) -> PathBuf {
    file(&attempt.join(FOLDER), number)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use flowgate_base::secret::Secret;
    use flowgate_wall::{CallContext, Given, Limits, RecordedLimits, VarValues};

    use super::*;

    fn call(operator: &str, reason: &str, bytes: usize) -> RecordedCall {
        let value = vec![7; bytes];
        let accumulators: VarValues = [&value[..]].into_iter().collect();
        RecordedCall {
            operator: operator.into(),
            sha256: "00".into(),
            function: "f".into(),
            config: serde_json::json!({ "n": 1 }),
            offered: Vec::new(),
            files: Vec::new(),
            slots: Vec::new(),
            limits: RecordedLimits::of(&Limits::default()),
            context: CallContext::default(),
            given: Given::Finish { accumulators },
            reason: reason.into(),
        }
    }

    fn begin(folder: &Path) -> (Records, Receiver<std::result::Result<Recorded, String>>) {
        let (send, told) = channel();
        let tell = move |what: std::result::Result<&Recorded, &str>| {
            _ = send.send(what.cloned().map_err(String::from));
        };
        (Records::of_attempt(folder, Box::new(tell)).unwrap(), told)
    }

    #[test]
    fn a_call_is_recorded_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (records, told) = begin(folder.path());
        records.take(call("risk", "trapped: unreachable", 3));
        let recorded = told.recv_timeout(Duration::from_secs(30)).unwrap().unwrap();
        assert_eq!(list(folder.path()).unwrap(), std::slice::from_ref(&recorded));
        let text = fs::read(path(folder.path(), recorded.number)).unwrap();
        assert_eq!(text.len() as u64, recorded.bytes);
        let read = RecordedCall::of_text(&text).unwrap();
        assert_eq!((read.operator.as_str(), read.given.name(), read.given.len()), ("risk", "finish", 1));
    }

    #[test]
    fn secrets_of_the_config_and_of_reasons_are_not_recorded() {
        flowgate_base::secret::hide(&[("KEY".to_string(), Secret::new("hunter2-of-records"))].into());
        let folder = tempfile::tempdir().unwrap();
        let (records, told) = begin(folder.path());
        let config = serde_json::json!({ "key": "hunter2-of-records" });
        records.take(RecordedCall { config, ..call("risk", "hunter2-of-records is wrong", 1) });
        let recorded = told.recv_timeout(Duration::from_secs(30)).unwrap().unwrap();
        assert_eq!(recorded.reason, "${secret:KEY} is wrong");
        let text = fs::read_to_string(path(folder.path(), recorded.number)).unwrap();
        assert!(text.contains("${secret:KEY}") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_operator_has_one_record_for_a_reason_and_a_few_in_all() {
        let folder = tempfile::tempdir().unwrap();
        let (records, told) = begin(folder.path());
        for n in 0..RECORDS_OF_OPERATOR_MAX {
            let reason = format!("reason {n}");
            assert!(records.has_room("a", &reason));
            records.take(call("a", &reason, 1));
            told.recv_timeout(Duration::from_secs(30)).unwrap().unwrap();
            assert!(!records.has_room("a", &reason));
        }
        assert!(!records.has_room("a", "another"));
        assert!(records.has_room("b", "another"));
    }

    #[test]
    fn a_call_that_is_too_large_is_not_recorded_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (records, told) = begin(folder.path());
        records.take(call("a", "large", RECORD_BYTES_MAX as usize));
        let why = told.recv_timeout(Duration::from_secs(60)).unwrap().unwrap_err();
        assert!(why.contains("`a` was not recorded"), "{why}");
        assert_eq!(list(folder.path()).unwrap(), []);
    }
}
