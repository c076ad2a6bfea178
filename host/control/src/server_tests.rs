//! Tests of the server with its client, and with clients that mean harm.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::channel;

use proptest::prelude::*;

use super::*;
use crate::client::{self, AskError, Client};
use crate::figures::JobFigures;
use crate::place::Found;
use crate::status::Phase;

/// A job without operators.
#[derive(Default)]
struct Plain {
    stops: AtomicU32,
}

impl Subject for Plain {
    fn status(&self) -> Status {
        Status {
            job: "plain".into(),
            job_file: None,
            pid: 7,
            since_ms: 1,
            now_ms: 2,
            phase: if self.stops.load(SeqCst) > 0 { Phase::Stopping } else { Phase::Running },
            workers: 1,
            operators: Vec::new(),
            checkpoint: None,
            warnings: Vec::new(),
            error: None,
            figures: JobFigures::default(),
        }
    }

    fn stop(&self, drain: bool) -> bool {
        self.stops.fetch_add(1, SeqCst);
        drain
    }

    fn savepoint(&self, name: &str, stops: bool) -> Result<Savepoint, String> {
        if name == "refused" {
            return Err("it takes no checkpoints".into());
        }
        if stops {
            self.stop(false);
        }
        let outcome = if name == "lost" { Err("the disk is full".into()) } else { Ok(Saved { number: 7, bytes: 9 }) };
        Ok(Savepoint { address: format!("store#{name}"), wait: Box::new(move || outcome) })
    }

    fn swap(&self, swap: &SwapRequest) -> Result<Swapped, Refusal> {
        if swap.operator == "busy" {
            return Err(Refusal { reason: Reason::SwapBusy, message: "another swap is on its way".into() });
        }
        let savepoint = swap.savepoint.as_ref().map(|name| format!("store#{name}"));
        Ok(Swapped { gap_us: 5, migrated: 6, checkpoint: Some(7), savepoint, savepoint_error: None })
    }

    fn swap_prospect(&self, swap: &SwapRequest) -> Result<SwapProspect, Refusal> {
        Ok(SwapProspect { notes: vec![swap.path.clone()], ..SwapProspect::default() })
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    place: Place,
    subject: Arc<Plain>,
    server: Server,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let place = Place::of(Some(folder.path().into()), folder.path().into());
        let subject = Arc::<Plain>::default();
        let about = About { job: "plain".into(), pid: 7, since_ms: 1, job_file: None };
        let server = Server::start(&place, about, Arc::clone(&subject) as Arc<dyn Subject>).unwrap();
        Fixture { folder, place, subject, server }
    }

    fn found(&self) -> Found {
        let path = self.folder.path().join("flowgate/plain.7.sock");
        Found { path, name: "plain".into(), pid: 7 }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.found().path).unwrap()
    }

    fn answers(&self) -> bool {
        client::status(&self.found()).is_ok_and(|status| status.job == "plain")
    }
}

fn ended(summary: &str) -> Ended {
    Ended { summary: summary.into(), error: None }
}

#[test]
fn a_client_finds_a_job_and_asks_it() {
    let fixture = Fixture::new();
    let (jobs, refused) = Client::new(fixture.place.clone()).jobs();
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].found.clone(), jobs[0].about.as_ref().unwrap().job.as_str()), (fixture.found(), "plain"));
    assert_eq!(client::status(&fixture.found()).unwrap().phase, Phase::Running);
    let error = client::explanation(&fixture.found(), "x").unwrap_err();
    assert!(matches!(&error, AskError::Refused(r) if r.reason == Reason::NoSuchOperator), "{error:?}");
}

#[test]
fn a_client_that_stops_a_job_learns_how_it_ends() {
    let fixture = Fixture::new();
    let found = fixture.found();
    let stopped = client::stop(&found, true, true, None).unwrap();
    assert!(stopped.drains);
    assert_eq!(fixture.subject.stops.load(SeqCst), 1);
    let without_waiting = client::stop(&found, false, false, None).unwrap();
    assert!(!without_waiting.drains);
    fixture.server.end(ended("all done"));
    assert_eq!(stopped.wait().unwrap(), ended("all done"));
    assert!(!found.path.exists(), "the socket has gone with the job");
    assert!(matches!(client::status(&found), Err(AskError::Gone)));
}

/// A job whose process ends without a word, as by a kill.
#[test]
fn a_client_that_waits_learns_that_the_job_has_gone() {
    let fixture = Fixture::new();
    let stopped = client::stop(&fixture.found(), false, true, None).unwrap();
    drop(fixture.server);
    drop(fixture.subject);
    assert!(matches!(stopped.wait(), Err(AskError::Gone)));
}

/// A slow client keeps nobody else waiting, and loses its connection.
#[test]
fn a_slow_client_is_left_alone() {
    let fixture = Fixture::new();
    let mut slow = fixture.connect();
    slow.write_all(b"FG\x00\x01\x00\x00\x00\x64").unwrap();
    let asked = Instant::now();
    assert!(fixture.answers());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    // A byte now and then does not prolong the time.
    for _ in 0..8 {
        std::thread::sleep(REQUEST_WITHIN / 6);
        let _ = slow.write_all(b"\x00");
    }
    assert_eq!(slow.read(&mut [0]).unwrap_or(0), 0, "its connection was closed");
}

/// Goal: clients beyond the limit are told so, and the server is free again when the others have gone.
#[test]
fn too_many_clients_are_refused() {
    let fixture = Fixture::new();
    let silent: Vec<UnixStream> = (0..CONNECTIONS_MAX).map(|_| fixture.connect()).collect();
    while fixture.server.job.serving.load(SeqCst) < CONNECTIONS_MAX {
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = client::status(&fixture.found()).unwrap_err();
    assert!(matches!(&error, AskError::Refused(r) if r.reason == Reason::TooMany), "{error:?}");
    drop(silent);
    while fixture.server.job.serving.load(SeqCst) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(fixture.answers());
}

/// Clients that wait have no thread: many of them do not shut others out, and those that have gone make room.
#[test]
fn those_who_wait_do_not_use_up_connections() {
    let fixture = Fixture::new();
    let stop = || client::stop(&fixture.found(), false, true, None);
    let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| stop().unwrap()).collect();
    assert!(fixture.answers());
    let error = stop().unwrap_err();
    assert!(matches!(&error, AskError::Refused(r) if r.reason == Reason::TooMany), "{error:?}");
    waiting.pop();
    assert!(stop().is_ok());
}

/// The end of a job does not wait for a client that does not read.
#[test]
fn a_client_that_does_not_read_does_not_delay_the_end() {
    let fixture = Fixture::new();
    let _deaf = client::stop(&fixture.found(), false, true, None).unwrap();
    let _mute = fixture.connect();
    let (sender, done) = channel();
    let server = fixture.server;
    std::thread::spawn(move || {
        server.end(ended(&"x".repeat(8 << 20)));
        sender.send(()).unwrap();
    });
    done.recv_timeout(Duration::from_secs(10)).expect("the end waits for nobody");
}

/// A frame of another version is answered, so that both sides can say what they speak.
#[test]
fn another_version_is_refused_with_a_sentence() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.write_all(b"FG\x00\x02\x00\x00\x00\x02{}").unwrap();
    let response: Response = frame::read(&mut client, RESPONSE_BYTES_MAX).unwrap();
    let Response::Refused(refusal) = response else { panic!("{response:?}") };
    assert_eq!(refusal.reason, Reason::NotUnderstood);
    assert!(refusal.message.contains("version 2"), "{refusal:?}");
}

/// Goal: whatever bytes arrive, the job answers the next client, and nothing has stopped it. Method: random bytes, random cuts of
/// valid frames, and giant lengths, each on a connection of its own that is closed or left open.
#[test]
fn hostile_bytes_harm_nobody() {
    let fixture = Fixture::new();
    let valid = frame::encode(&Request::Explain { operator: "x".repeat(50) }, REQUEST_BYTES_MAX).unwrap();
    let hostile = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (0..valid.len()).prop_map(move |cut| valid[..cut].to_vec()),
        any::<u32>()
            .prop_map(|length| [b"FG\x00\x01".to_vec(), length.to_be_bytes().to_vec(), b"{\"stop\"".to_vec()].concat()),
        Just([b"FG\x00\x01\x00\x00\x27\x10".to_vec(), vec![b'['; 10_000]].concat()),
    ];
    let config = ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = runner.run(&hostile, |bytes| {
        let mut client = fixture.connect();
        let _ = client.write_all(&bytes);
        let _ = client.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        prop_assert!(client.read_to_end(&mut answer).is_ok() || bytes.len() > 8, "it was not closed");
        Ok(())
    });
    run.unwrap();
    assert!(fixture.answers());
    assert_eq!(fixture.subject.stops.load(SeqCst), 0);
}

/// A mistake in what the job says about itself ends the connection, not the server.
#[test]
fn a_panic_of_the_subject_is_an_answer() {
    struct Broken;
    impl Subject for Broken {
        fn status(&self) -> Status {
            panic!("of this test")
        }
        fn stop(&self, _drain: bool) -> bool {
            panic!("of this test")
        }
        fn savepoint(&self, _name: &str, _stops: bool) -> Result<Savepoint, String> {
            panic!("of this test")
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(Some(folder.path().into()), folder.path().into());
    let about = About { job: "broken".into(), pid: 9, since_ms: 1, job_file: None };
    let _server = Server::start(&place, about, Arc::new(Broken)).unwrap();
    let found = place.sockets().0.remove(0);
    for _ in 0..2 {
        assert!(matches!(client::status(&found), Err(AskError::Refused(r)) if r.reason == Reason::Internal));
        assert!(
            matches!(client::stop(&found, true, true, None), Err(AskError::Refused(r)) if r.reason == Reason::Internal)
        );
        assert!(matches!(client::savepoint(&found, "a"), Err(AskError::Refused(r)) if r.reason == Reason::Internal));
    }
}

#[test]
fn a_savepoint_is_waited_for_or_refused() {
    let fixture = Fixture::new();
    let found = fixture.found();
    let saving = client::savepoint(&found, "mine").unwrap();
    assert_eq!(saving.address, "store#mine");
    assert_eq!(saving.wait().unwrap(), Saved { number: 7, bytes: 9 });
    let reason = |error: AskError| match error {
        AskError::Refused(refusal) => (refusal.reason, refusal.message),
        other => panic!("{other}"),
    };
    let expected = (Reason::NoSavepoint, "it takes no checkpoints".to_string());
    assert_eq!(reason(client::savepoint(&found, "refused").unwrap_err()), expected);
    let lost = client::savepoint(&found, "lost").unwrap().wait().unwrap_err();
    assert_eq!(reason(lost), (Reason::NoSavepoint, "the disk is full".into()));
    assert_eq!(fixture.subject.stops.load(SeqCst), 0);
}

#[test]
fn a_job_stops_with_a_savepoint_but_is_not_drained_with_one() {
    let fixture = Fixture::new();
    let drained = client::stop(&fixture.found(), true, true, Some("mine".into()));
    assert!(matches!(drained, Err(AskError::Refused(r)) if r.reason == Reason::NotUnderstood));
    assert_eq!(fixture.subject.stops.load(SeqCst), 0);
    let stopped = client::stop(&fixture.found(), false, true, Some("mine".into())).unwrap();
    assert_eq!((stopped.drains, stopped.savepoint.as_deref()), (false, Some("store#mine")));
    fixture.server.end(ended("done"));
    assert_eq!(stopped.wait().unwrap().summary, "done");
}

#[test]
fn a_swap_is_waited_for_tried_or_refused() {
    let fixture = Fixture::new();
    let found = fixture.found();
    let request = |operator: &str| SwapRequest {
        operator: operator.into(),
        path: "/new.wasm".into(),
        savepoint: Some("mine".into()),
        ..SwapRequest::default()
    };
    let swapped = client::swap(&found, request("f")).unwrap().wait().unwrap();
    assert_eq!((swapped.gap_us, swapped.checkpoint, swapped.savepoint.as_deref()), (5, Some(7), Some("store#mine")));
    let tried = client::swap(&found, SwapRequest { dry_run: true, ..request("f") }).unwrap().prospect().unwrap();
    assert_eq!(tried.notes, ["/new.wasm"]);
    let refused = client::swap(&found, request("busy")).unwrap().wait().unwrap_err();
    assert!(matches!(refused, AskError::Refused(r) if r.reason == Reason::SwapBusy));
}
