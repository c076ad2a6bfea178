//! A plugin at work, as its author sees it: panics, printed lines, `plugin test` with keys and clocks. One package, built once,
//! with the process function of the SDK's README.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use harness::{Ended, Flowgate, Folder, repository};
use serde_json::Value;

/// A transform that its rows instruct, and a join function.
const FUNCTIONS: &str = r##"
use flowgate_sdk::log;

#[derive(Row)]
pub struct Command<'a> { pub text: &'a str }

#[derive(Row)]
pub struct Done { pub time: Timestamp }

fn helper(text: &str) {
    use flowgate_sdk::log::println;
    println!("helping with {text}");
}

/// Does what a line says.
#[flowgate_sdk::transform]
pub fn act(line: Command<'_>) -> Result<Done, Failure> {
    match line.text.split_once(' ') {
        Some(("panic", why)) => panic!("the row says {why}"),
        Some(("index", n)) => {
            let n: usize = n.parse()?;
            return Ok(Done { time: Timestamp::from_millis([1, 2, 3][n]) });
        }
        Some(("print", text)) => { println!("printed {text}"); helper(dbg!(text)); }
        Some(("log", text)) => { log::debug!("debug {text}"); log::warn!("warn {text}"); log::error!("error {text}"); }
        _ => return Ok(Done { time: line.text.parse()? }),
    }
    Ok(Done { time: Timestamp::from_millis(0) })
}

#[derive(Row)]
pub struct Bid<'a> { pub bidder: &'a str, pub price: i64 }

#[derive(Row)]
pub struct Auction { pub reserve: i64 }

#[derive(Row)]
pub struct Offer<'a> { pub bidder: &'a str, pub over: Option<i64> }

#[flowgate_sdk::join]
pub fn offer<'a>(bid: Bid<'a>, auction: Option<Auction>) -> Result<Offer<'a>, Failure> {
    if bid.price < 0 {
        return Err(Failure::new("a bid below nothing"));
    }
    Ok(Offer { bidder: bid.bidder, over: auction.map(|auction| bid.price - auction.reserve) })
}

#[derive(Row)]
pub struct Order { pub item: i64 }

#[derive(Row)]
pub struct Reminder { pub after_ms: i64 }

#[flowgate_sdk::config]
pub struct Remind;

/// Reminds of each order five minutes (of processing time) later.
#[flowgate_sdk::process]
impl Process for Remind {
    type Row<'a> = Order;
    type Output = Reminder;

    fn on_row(&self, _row: Order, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let due = ctx.processing_time() + std::time::Duration::from_secs(300);
        ctx.timers.set(Timer::processing_time(due, 0));
        Ok(())
    }

    fn on_timer(&self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        ctx.emit(Reminder { after_ms: ctx.processing_time().millis_since(timer.time) });
        Ok(())
    }
}

flowgate_sdk::plugin! { transforms: [act], joins: [offer], processes: [Silent, Remind] }
"##;

/// Returns the process function of the SDK's README, without the test behind it.
fn silent() -> String {
    let readme = fs::read_to_string(repository().join("guest-sdk/rust/README.md")).expect("the SDK has a README");
    let block = readme.split("```rust\n").find(|block| block.contains("impl Process for Silent")).expect("the example");
    let code = block.split("flowgate_sdk::plugin!").next().expect("the example ends with its plugin");
    code.replace(", testing::ProcessHarness", "")
}

/// Returns the folder of the package, with its component: in Cargo's folder for tests, written again by each run.
fn package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let package = folder.join("authors");
        if package.exists() {
            fs::remove_dir_all(&package).expect("what an earlier run left can be removed");
        }
        Flowgate::new(folder, &["plugin", "new", "authors"]).run().expect(0);
        fs::write(package.join("src/lib.rs"), format!("{}\n{FUNCTIONS}", silent()))
            .expect("the package can be written");
        // Everything is compiled, on a machine with other load.
        let built = Flowgate::new(&package, &["plugin", "build"]).deadline(Duration::from_secs(900)).run().expect(0);
        assert!(!built.stderr.contains("warning: src"), "{}", built.stderr);
        package
    })
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy(&entry.path(), &to)? } else { fs::copy(entry.path(), to).map(drop)? }
    }
    Ok(())
}

/// Runs `plugin test` for one of the functions; the arguments are those behind the function's name.
fn try_out(folder: &Folder, function: &str, arguments: &[&str]) -> Ended {
    let plugin = package().to_str().expect("a path in UTF-8");
    let all = [&["plugin", "test", function][..], arguments, &["--plugin", plugin]].concat();
    Flowgate::new(folder.path(), &all).run()
}

#[test]
fn a_panic_is_in_the_dead_letter_in_its_own_words_and_nowhere_else() {
    let folder = Folder::with_job(
        "job: panics\nsources: { lines: { file: { path: in.txt } } }\n\
         operators: { acts: { input: lines, plugin: authors, function: act } }\n\
         sinks: { out: { input: acts, print: {} }, bad: { input: acts.errors, file: { path: bad.jsonl } } }\n",
    );
    folder.write("in.txt", "panic of itself\n2026-01-01T00:00:00Z\nindex 7\n");
    let run =
        Flowgate::new(folder.path(), &["run", "-q", "job.yaml"]).env("FLOWGATE_PLUGIN_PATH", package()).run().expect(0);
    assert_eq!(run.stdout, "{\"time\":\"2026-01-01T00:00:00.000Z\"}\n");
    let bad = folder.read("bad.jsonl");
    let messages: Vec<String> = bad
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["message"].as_str().expect("a text").to_string())
        .collect();
    assert!(
        messages[0].starts_with("panicked at src/lib.rs:") && messages[0].ends_with(": the row says of itself"),
        "{bad}"
    );
    assert!(messages[1].ends_with("index out of bounds: the len is 3 but the index is 7"), "{bad}");
    assert_eq!(messages[0].matches("of itself").count(), 1, "{bad}");
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn printed_lines_are_seen_and_debug_lines_where_they_are_asked_for() {
    let folder = Folder::with_job("");
    folder.write("in.txt", "print seven\nlog x\n");
    let shown = try_out(&folder, "act", &["in.txt"]).expect(0).stderr;
    for line in [
        "act: info: printed seven\n",
        "act: info: helping with seven\n",
        "] text = \"seven\"\n",
        "act: warn: warn x\n",
        "act: error: error x\n",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    assert!(!shown.contains("debug x"), "{shown}");
    assert!(
        try_out(&folder, "act", &["in.txt", "--log-level", "debug"]).expect(0).stderr.contains("act: debug: debug x\n")
    );
    let quiet = try_out(&folder, "act", &["in.txt", "--log-level", "error"]).expect(0).stderr;
    assert_eq!(quiet, "act: error: error x\n");
}

#[test]
fn rows_that_fail_are_an_exit_code_unless_they_were_expected() {
    let folder = Folder::with_job("");
    folder.write("in.txt", "2026-01-01T00:00:00Z\nyesterday\npanic x\n");
    let failed = try_out(&folder, "act", &["in.txt"]).expect(1);
    assert_eq!(failed.stdout, "{\"time\":\"2026-01-01T00:00:00.000Z\"}\n");
    assert!(failed.stderr.contains("in.txt:2: `yesterday` is not a time: write it like"), "{}", failed.stderr);
    assert!(failed.stderr.contains("in.txt:3: panicked at src/lib.rs:"), "{}", failed.stderr);
    assert!(failed.stderr.contains("act: failures: 2; rows that came out: 1"), "{}", failed.stderr);
    try_out(&folder, "act", &["in.txt", "--expect", "expected", "--update"]).expect(0);
    try_out(&folder, "act", &["in.txt", "--expect", "expected"]).expect(0);
}

/// The kitchen is silent between its second and its third reading; the cellar since its first.
const READINGS: &str = "\
{\"sensor\":\"kitchen\",\"celsius\":21.0,\"time\":\"2026-01-01T00:00:00Z\"}
{\"sensor\":\"cellar\",\"celsius\":9.0,\"time\":\"2026-01-01T00:00:01Z\"}
{\"sensor\":\"kitchen\",\"celsius\":22.0,\"time\":\"2026-01-01T00:00:30Z\"}
{\"sensor\":\"kitchen\",\"celsius\":23.0,\"time\":\"2026-01-01T02:00:00Z\"}
";

const SILENCES: [&str; 3] = [
    "{\"sensor\":\"cellar\",\"last_celsius\":9.0}",
    "{\"sensor\":\"kitchen\",\"last_celsius\":22.0}",
    "{\"sensor\":\"kitchen\",\"last_celsius\":23.0}",
];

#[test]
fn silence_is_found_however_rows_lie_in_batches() {
    let folder = Folder::with_job(
        "job: silence\nsources:\n  readings:\n    file: { path: in.jsonl, format: json, columns: { sensor: text, celsius: float64, time: timestamp }, batch_rows: 1 }\n    event_time: { column: time }\n\
         operators: { silent: { input: readings, key: [sensor], plugin: authors, function: silent, config: { after_ms: 60000 } } }\n\
         sinks: { out: { input: silent, print: {} } }\n",
    );
    folder.write("in.jsonl", READINGS);
    for batch_rows in ["1", "2", "8192"] {
        let arguments = [
            "in.jsonl",
            "--key",
            "sensor",
            "--event-time",
            "time",
            "--config",
            "{\"after_ms\":60000}",
            "--batch-rows",
            batch_rows,
        ];
        let found = try_out(&folder, "silent", &arguments).expect(0);
        assert_eq!(found.stdout.lines().collect::<Vec<_>>(), SILENCES, "{batch_rows} rows in a batch");
        let setting = format!("sources.readings.file.batch_rows={batch_rows}");
        let run = Flowgate::new(folder.path(), &["run", "-q", "job.yaml", "--set", &setting]);
        let run = run.env("FLOWGATE_PLUGIN_PATH", package()).run().expect(0);
        assert_eq!(run.stdout, found.stdout, "a job with {batch_rows} rows in a batch");
    }
}

#[test]
fn timers_of_processing_time_fire_when_the_clock_is_moved() {
    let folder = Folder::with_job("");
    folder.write("in.jsonl", "{\"user\":7,\"item\":1}\n{\"user\":7,\"item\":\"x\"}\n");
    let at = ["in.jsonl", "--key", "user:int64", "--now", "2026-01-01T00:00:00Z"];
    let early = try_out(&folder, "remind", &[&at[..], &["--advance", "4m"]].concat()).expect(1);
    assert!(early.stdout.is_empty() && early.stderr.contains("in.jsonl:2: "), "{}", early.stderr);
    let later = try_out(&folder, "remind", &[&at[..], &["--advance", "6m"]].concat()).expect(1);
    assert_eq!(later.stdout, "{\"after_ms\":60000}\n");
}

#[test]
fn a_join_function_gets_the_pairs_of_two_files() {
    let folder = Folder::with_job("");
    folder.write(
        "bids.jsonl",
        "{\"auction\":1,\"bidder\":\"ada\",\"price\":7}\n{\"auction\":2,\"bidder\":\"bob\",\"price\":3}\n{\"auction\":1,\"bidder\":\"cyd\",\"price\":-1}\n",
    );
    folder.write("auctions.jsonl", "{\"id\":1,\"reserve\":5}\n{\"id\":3,\"reserve\":5}\n");
    let files = ["bids.jsonl", "auctions.jsonl", "--key", "auction=id:int64"];
    let inner = try_out(&folder, "offer", &files).expect(1);
    assert_eq!(inner.stdout, "{\"bidder\":\"ada\",\"over\":2}\n");
    assert!(inner.stderr.contains("bids.jsonl:3 with auctions.jsonl:1: a bid below nothing"), "{}", inner.stderr);
    let left = try_out(&folder, "offer", &[&files[..], &["--join", "left"]].concat()).expect(1);
    assert_eq!(left.stdout, "{\"bidder\":\"ada\",\"over\":2}\n{\"bidder\":\"bob\",\"over\":null}\n");
}

#[test]
fn what_is_missing_is_said() {
    let folder = Folder::with_job("");
    folder.write("in.jsonl", READINGS);
    for (function, arguments, expected) in [
        ("silent", &["in.jsonl"][..], "`silent` is of the kind process: name its key, as in `--key user`"),
        ("offer", &["in.jsonl", "--key", "sensor"], "`offer` is of the kind join: name two files of sample rows"),
        ("act", &["in.jsonl", "--key", "sensor"], "`act` is of the kind transform, which has no key"),
        ("act", &["in.jsonl", "--advance", "1m"], "is for process functions"),
        ("act", &["in.jsonl", "--now", "yesterday"], "`yesterday` is not a timestamp"),
        ("silent", &["in.jsonl", "--key", "sensor", "--config", "{}"], "after_ms"),
    ] {
        let ended = try_out(&folder, function, arguments).expect(2);
        assert!(ended.stderr.contains(expected), "{function} {arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn a_component_that_is_older_than_its_source_is_told() {
    let folder = Folder::with_job("");
    folder.write("in.txt", "2026-01-01T00:00:00Z\n");
    let copied = folder.join("authors");
    copy(package(), &copied).expect("the package can be copied");
    let plugin = ["in.txt", "--plugin", "authors"];
    let set = |name: &str, ago: u64| {
        let file = File::options().append(true).open(copied.join(name)).expect("the file is there");
        file.set_modified(SystemTime::now() - Duration::from_secs(ago)).expect("its time can be set");
    };
    let test = || Flowgate::new(folder.path(), &[&["plugin", "test", "act"][..], &plugin].concat()).run().expect(0);
    for (name, ago) in [("Cargo.toml", 90), ("src/lib.rs", 90), ("authors.wasm", 60)] {
        set(name, ago);
    }
    assert_eq!(test().stderr, "");
    set("src/lib.rs", 30);
    let warned = test();
    assert!(
        warned.stderr.contains(
            "warning: authors.wasm is older than src/lib.rs: `flowgate plugin build authors` builds it again"
        ),
        "{}",
        warned.stderr
    );
}
