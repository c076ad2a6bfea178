//! The map is true: each invariant of ARCHITECTURE.md is cited in its home, and each one that code cites exists.

use std::collections::BTreeMap;

use crate::repository::File;

const MAP: &str = "ARCHITECTURE.md";

pub(crate) fn check(files: &[File]) -> Vec<String> {
    let Some(map) = files.iter().find(|file| file.path == MAP) else {
        return vec![format!("{MAP} is missing")];
    };
    let mut wrong = Vec::new();
    let mut homes = BTreeMap::new();
    for (number, line) in map.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", id, _, home, ""] = cells[..] else { continue };
        if !is_id(id) {
            continue;
        }
        if homes.insert(id, home.trim_matches('`')).is_some() {
            wrong.push(format!("{MAP}:{number}: {id} is there twice"));
        }
        let home = home.trim_matches('`');
        match files.iter().find(|file| file.path == home) {
            None => wrong.push(format!("{MAP}:{number}: the home of {id}, {home}, does not exist")),
            Some(file) if !file.lines().any(|(_, line)| cited(line).contains(&id)) => {
                wrong
                    .push(format!("{home}: {id} has its home here and is not cited; say at the head what it promises"));
            }
            Some(_) => {}
        }
    }
    for file in files.iter().filter(|file| file.is_rust() && file.path.starts_with("host/")) {
        for (number, line) in file.lines().filter(|(_, line)| line.contains("//")) {
            for id in cited(line).into_iter().filter(|id| !homes.contains_key(id)) {
                wrong.push(format!("{}:{number}: {id} is no invariant of {MAP}", file.path));
            }
        }
    }
    wrong
}

/// Whether a word is a letter of a family and a number: `T3`.
fn is_id(word: &str) -> bool {
    let mut characters = word.chars();
    characters.next().is_some_and(|c| c.is_ascii_uppercase())
        && matches!(characters.as_str().parse::<u8>(), Ok(1..))
        && !characters.as_str().starts_with('0')
}

/// Returns the ids in the comment of a line.
fn cited(line: &str) -> Vec<&str> {
    let comment = line.find("//").map_or("", |at| &line[at..]);
    let named = |c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '.' || c == '`' || c == '%');
    comment
        .split(named)
        .filter(|word| is_id(word.trim_end_matches('.')))
        .map(|word| word.trim_end_matches('.'))
        .collect()
}

#[test]
fn a_map_that_is_not_true_is_found() {
    let map = |home: &str| File::new(MAP, &format!("| T1 | Time does not go back. | `{home}` |\n"));
    let home = |text: &str| File::new("host/engine/src/time.rs", text);
    assert_eq!(check(&[map("host/engine/src/time.rs"), home("//! T1: time does not go back.")]), Vec::<String>::new());
    assert_eq!(check(&[map("host/engine/src/time.rs"), home("//! Time.")]).len(), 1, "not cited");
    assert_eq!(check(&[map("host/engine/src/gone.rs"), home("//! T1")]).len(), 1, "no such home");
    assert_eq!(check(&[map("host/engine/src/time.rs"), home("//! T1\n// T2: unknown")]).len(), 1, "unknown id");
    assert_eq!(check(&[]).len(), 1, "no map");
}

#[test]
fn ids_are_words_of_comments() {
    assert_eq!(cited("x(); // T1, S12 and W3."), ["T1", "S12", "W3"]);
    assert_eq!(cited("let x: Vec<T1> = y; // `U8` T0 1T P9x FG01 0.T1"), Vec::<&str>::new());
}
