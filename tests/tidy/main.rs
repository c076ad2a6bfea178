//! Taste as a test: rules that reviewers would otherwise repeat.
//!
//! Each rule receives the repository's files and returns the violations, one line each, with the fix. Next to each rule is a test
//! that shows it a mistake.

mod dependencies;
mod direction;
mod features;
mod invariants;
mod links;
mod paths;
mod phrases;
mod repository;
mod shape;
mod words;

use repository::File;

/// Runs a rule over the repository.
fn assert_tidy(rule: fn(&[File]) -> Vec<String>) {
    let wrong = rule(&repository::files());
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n"));
}

#[test]
fn modules_import_in_one_direction() {
    assert_tidy(direction::check);
}

#[test]
fn files_are_short_and_named_after_what_they_hold() {
    assert_tidy(shape::check);
}

#[test]
fn no_stub_no_second_clock_and_no_machine_path() {
    assert_tidy(words::check);
}

#[test]
fn every_dependency_has_a_reason() {
    assert_tidy(dependencies::check);
}

#[test]
fn links_in_markdown_lead_somewhere() {
    assert_tidy(links::check);
}

#[test]
fn invariants_have_a_home_that_cites_them() {
    assert_tidy(invariants::check);
}

#[test]
fn paths_in_markdown_exist() {
    assert_tidy(paths::check);
}

#[test]
fn banned_phrases_are_not_written() {
    assert_tidy(phrases::check);
}
