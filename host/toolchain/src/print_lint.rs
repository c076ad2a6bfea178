//! Finds `println!` and its kin where they write to a standard output that the sandbox does not have.
//!
//! The SDK's attributes see to those within their functions, and `use flowgate_sdk::log::println;` to those of a file. What is
//! left is lost without a word when the plugin runs, so a build says so. Text is looked at, not what it means: a macro of
//! another crate with the same name is taken for the standard library's, so this warns and refuses nothing.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The macros that write to nowhere, and whether the SDK has one in its place.
const MACROS: [(&str, bool); 5] =
    [("println!", true), ("eprintln!", true), ("dbg!", true), ("print!", false), ("eprint!", false)];

/// Attributes whose functions have the SDK's macros.
const SEEN_TO: [&str; 6] = [
    "#[flowgate_sdk::transform",
    "#[flowgate_sdk::join",
    "#[flowgate_sdk::process",
    "#[transform",
    "#[join",
    "#[process",
];

/// What follows these is not part of the plugin.
const TESTS: [&str; 2] = ["#[cfg(test)]", "#[test]"];

/// Places that the warning names.
const NAMED_MAX: usize = 3;
/// Files of a package that are looked at.
const FILES_MAX: usize = 1_000;

/// A warning, where the package in `dir` has such a macro.
pub(crate) fn warning(dir: &Path) -> Option<String> {
    let mut files = Vec::new();
    collect(&dir.join("src"), &mut files);
    files.sort();
    let mut places = Vec::new();
    for file in &files {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let shown = file.strip_prefix(dir).unwrap_or(file);
        places.extend(lost(&text).into_iter().map(|(line, name)| format!("{}:{line}: `{name}`", shown.display())));
    }
    if places.is_empty() {
        return None;
    }
    let mut text = places.get(..NAMED_MAX).unwrap_or(&places).join(", ");
    let more = places.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, " and {more} more");
    }
    Some(format!(
        "{text}: the sandbox has no standard output, so nobody sees what it writes; \
         `use flowgate_sdk::log::{{println, eprintln, dbg}};` in that file writes it to the job's log"
    ))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if files.len() >= FILES_MAX {
            return;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&path, files),
            Ok(_) if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            _ => {}
        }
    }
}

/// Lines, counted from 1, and names of the macros in a file whose output is lost.
fn lost(text: &str) -> Vec<(usize, &'static str)> {
    let code = code_only(text);
    let (seen_to, tests) = (items(&code, &SEEN_TO), items(&code, &TESTS));
    let within = |ranges: &[Range<usize>], at: usize| ranges.iter().any(|range| range.contains(&at));
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let imports: String = code.split("use flowgate_sdk::").skip(1).filter_map(|rest| rest.split(';').next()).collect();
    let mut found = Vec::new();
    for (name, sdk_has_it) in MACROS {
        let is_imported = imports.split(|c| !is_word(c)).any(|word| word == name.trim_end_matches('!'));
        for (at, _) in code.match_indices(name) {
            let before = &code[..at];
            let is_by_path = before.ends_with("::");
            let is_of_std = !is_by_path || before.ends_with("std::");
            let is_the_sdks = sdk_has_it && !is_by_path && (is_imported || within(&seen_to, at));
            if is_of_std && !before.ends_with(is_word) && !is_the_sdks && !within(&tests, at) {
                found.push((before.matches('\n').count() + 1, name));
            }
        }
    }
    found.sort_unstable();
    found
}

/// Where the items lie that carry one of these attributes.
fn items(code: &str, attributes: &[&str]) -> Vec<Range<usize>> {
    let found = attributes.iter().flat_map(|attribute| code.match_indices(attribute));
    found.map(|(at, attribute)| at..end_of_item(code, at + attribute.len())).collect()
}

/// The end of the item that begins here: that of its block, or the semicolon of one that has none.
fn end_of_item(code: &str, start: usize) -> usize {
    // Of an attribute that is named by its beginning, the bracket is open still.
    let (mut parentheses, mut braces) = (if code[..start].ends_with(']') { 0_i32 } else { 1 }, 0_i32);
    for (offset, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => parentheses += 1,
            ')' | ']' => parentheses -= 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            ';' if parentheses <= 0 && braces == 0 => return start + offset,
            _ => {}
        }
        if c == '}' && braces <= 0 {
            return start + offset;
        }
    }
    code.len()
}

/// The text with blanks in the place of comments and of what is in quotes.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match (chars[i], chars.get(i + 1)) {
            ('/', Some('/')) => i + chars[i..].iter().take_while(|c| **c != '\n').count(),
            ('/', Some('*')) => end_of_comment(&chars, i),
            ('"', _) => end_of_quotes(&chars, i + 1, '"'),
            ('r', Some('"' | '#')) => end_of_raw_quotes(&chars, i).unwrap_or(i),
            // A character, not a lifetime.
            ('\'', Some('\\')) => end_of_quotes(&chars, i + 1, '\''),
            ('\'', Some(_)) if chars.get(i + 2) == Some(&'\'') => i + 3,
            _ => i,
        };
        if end == i {
            code.push(chars[i]);
            i += 1;
        } else {
            code.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    code
}

/// Comments lie within each other.
fn end_of_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i.min(chars.len())
}

fn end_of_quotes(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// Of `r"..."` and `r#"..."#`; none where it is something else, as `r#type`.
fn end_of_raw_quotes(chars: &[char], start: usize) -> Option<usize> {
    let is_part_of_a_word = start > 0 && (chars[start - 1].is_alphanumeric() && chars[start - 1] != 'b');
    let marks = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + marks;
    if is_part_of_a_word || chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= marks;
    Some((open + 1..chars.len()).find(|at| closes(*at)).map_or(chars.len(), |at| at + 1 + marks))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_would_see_is_found_by_line_and_name() {
        let text = "fn help() {\n    println!(\"a\");\n    let x = dbg!(1);\n    std::eprintln!(\"b\");\n    print!(\"c\");\n}\n";
        assert_eq!(lost(text), [(2, "println!"), (3, "dbg!"), (4, "eprintln!"), (5, "print!")]);
    }

    #[test]
    fn what_the_sdk_sees_to_is_fine() {
        let text = "use flowgate_sdk::{Row, log::{dbg}};\n\
            #[flowgate_sdk::transform(name = \"x\")]\nfn f(a: [u8; 2]) -> [u8; 2] {\n    if true { println!(\"in\"); }\n    a\n}\n\
            fn help() { dbg!(1); eprintln!(\"out\"); log::println!(\"mine\"); my_println!(); }\n\
            #[process]\nimpl Process for P {\n    fn on_row() { println!(\"in\") }\n    fn on_timer() { print!(\"lost\") }\n}\n";
        assert_eq!(lost(text), [(7, "eprintln!"), (11, "print!")]);
    }

    #[test]
    fn tests_comments_and_texts_do_not_count() {
        let text = "// println!(\"a\")\n/* dbg!(1) /* println!() */ dbg!(2) */\nfn f<'a>(x: &'a str) -> char { '\"' }\n\
            const A: &str = \"println!(\\\"x\\\")\";\nconst B: &str = r#\"println!(\"x\")\"#;\nconst r#type: char = '\\'';\n\
            #[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n    #[test]\n    fn t() { println!(\"x\"); }\n}\nfn g() { println!(); }\n";
        assert_eq!(lost(text), [(14, "println!")]);
    }

    #[test]
    fn the_warning_names_a_few_places_and_what_to_write() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("src/deep")).unwrap();
        std::fs::write(dir.path().join("src/lib.rs"), "mod deep;\n").unwrap();
        assert_eq!(warning(dir.path()), None);
        std::fs::write(dir.path().join("src/deep/mod.rs"), "fn f() {\nprintln!();\nprintln!();\ndbg!();\ndbg!();\n}")
            .unwrap();
        let text = warning(dir.path()).unwrap();
        assert!(
            text.starts_with(
                "src/deep/mod.rs:2: `println!`, src/deep/mod.rs:3: `println!`, src/deep/mod.rs:4: `dbg!` and 1 more"
            ),
            "{text}"
        );
        assert!(text.contains("use flowgate_sdk::log::{println, eprintln, dbg};"), "{text}");
    }

    proptest! {
        /// Goal: whatever a file holds, it is looked at without a panic. Method: pieces that open what they do not close.
        #[test]
        fn any_text_is_looked_at(pieces in prop::collection::vec(prop::sample::select(vec![
            "\"", "'", "\\", "r#\"", "\"#", "/*", "*/", "//", "\n", "{", "}", "(", "]", ";", "é", "println!", "#[test]", "#[process",
        ]), 0..40)) {
            lost(&pieces.concat());
        }
    }
}
