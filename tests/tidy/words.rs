//! Forbidden words: stubs in Rust code, a second clock or source of randomness in the host, paths of somebody's machine anywhere.

use crate::repository::File;

/// The file of this rule, which has to name its words.
const HERE: &str = "tests/tidy/words.rs";

/// Macros that finished code does not contain.
const STUBS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Files about those macros in the code of plugins, where they are useful.
const STUB_FILES: [&str; 2] = ["host/toolchain/src/print_lint.rs", "tests/plugin_authors.rs"];

/// Calls that read the wall clock. `Instant` is fine: it measures durations and cannot end up in a result.
const CLOCKS: [&str; 4] = ["SystemTime::now", "Timestamp::now", "Zoned::now", "Utc::now"];
const CLOCK_FILE: &str = "host/base/src/clock.rs";

/// Sources of randomness: allowed in one file, and for the key of the compile cache.
const RANDOMNESS: [&str; 3] = ["getrandom::", "RandomState", "thread_rng"];
const RANDOMNESS_FILES: [&str; 2] = ["host/base/src/random.rs", "host/wall/src/cache"];

/// The beginnings of paths that exist on one machine.
const MACHINE_PATHS: [&str; 4] = ["/root/", "/tmp/", "/home/", "/Users/"];

pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path != HERE) {
        for (number, line) in file.lines() {
            for path in MACHINE_PATHS.iter().filter(|path| has_path(line, path)) {
                wrong.push(format!("{}:{number}: `{path}` is a path of one machine; write it relative", file.path));
            }
        }
        if !file.is_rust() {
            continue;
        }
        let host = file.path.starts_with("host/") && file.path.contains("/src/");
        for (number, line) in file.code() {
            let place = format!("{}:{number}", file.path);
            let stub_here = STUB_FILES.contains(&file.path.as_str());
            for stub in STUBS.iter().filter(|stub| !stub_here && has_word(line, stub)) {
                wrong.push(format!("{place}: `{stub}`; finish it"));
            }
            for clock in CLOCKS.iter().filter(|clock| host && file.path != CLOCK_FILE && has_word(line, clock)) {
                wrong.push(format!("{place}: `{clock}`; the wall clock is read in {CLOCK_FILE} alone"));
            }
            let random_here = RANDOMNESS_FILES.iter().any(|allowed| file.path.starts_with(allowed));
            for random in RANDOMNESS.iter().filter(|word| host && !random_here && has_word(line, word)) {
                wrong.push(format!(
                    "{place}: `{random}`; randomness is read in {} alone",
                    RANDOMNESS_FILES.join(" and ")
                ));
            }
        }
    }
    wrong
}

/// Whether a line has the word, and not as the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(inside))
}

/// Whether a line has an absolute path with this beginning: not as a part of a longer path or of an address.
fn has_path(line: &str, beginning: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-}~*".contains(c);
    line.match_indices(beginning).any(|(at, _)| !line[..at].ends_with(inside))
}

#[test]
fn each_word_is_found_where_it_does_not_belong() {
    let bad = [
        ("plugins/text/src/lib.rs", "fn f() { todo!() }"),
        ("host/engine/src/job/check.rs", "    unimplemented!(\"later\")"),
        ("tests/e2e.rs", "dbg!(x);"),
        ("host/engine/src/dataflow/worker.rs", "let t = std::time::SystemTime::now();"),
        ("host/engine/src/connector/instant.rs", "let t = jiff::Timestamp::now();"),
        ("host/engine/src/dataflow/key.rs", "use std::hash::RandomState;"),
        ("host/wall/src/admission.rs", "getrandom::fill(&mut key);"),
        ("README.md", "see /root/notes"),
        ("examples/a/job.yaml", "path: '/home/ada/in.log'"),
        ("scripts/setup.sh", "cd \"/home/main\""),
    ];
    for (path, text) in bad {
        assert_eq!(check(&[File::new(path, text)]).len(), 1, "{path}: {text}");
    }
}

#[test]
fn the_same_words_pass_where_they_do() {
    let good = [
        ("host/base/src/clock.rs", "SystemTime::now()"),
        ("host/wall/src/cache.rs", "getrandom::fill(&mut key);"),
        ("host/engine/src/job/check.rs", "// todo! is for others"),
        ("tests/e2e.rs", "let at = SystemTime::now();"),
        ("tests/plugin_authors.rs", "\"fn plugin() { dbg!(1) }\""),
        ("README.md", "https://flowgate.example/home/ and $work/tmp/x"),
    ];
    for (path, text) in good {
        assert_eq!(check(&[File::new(path, text)]), Vec::<String>::new(), "{path}: {text}");
    }
}
