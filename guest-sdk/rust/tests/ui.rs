//! The macros' error messages: each must say what to write instead.
//!
//! Run with `TRYBUILD=overwrite` to write the expected messages again, then read them.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
