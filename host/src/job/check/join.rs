//! Operators that: joins two inputs.

use super::checker::Checker;
use crate::job::graph::Node;
use crate::job::problem::{At, Problem};
use crate::job::spec;

/// The node; none where something is wrong.
pub(super) fn check_join(checker: &mut Checker<'_>, name: &str, _operator: &spec::Operator) -> Option<Node> {
    let at = At::job().field("operators").field(name);
    checker.error(Problem::error(at, "not yet"));
    None
}
