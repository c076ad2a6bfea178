//! `flowgate job swap --canary`, of jobs on a node.

use flowgate_api::canary::{Canary, NewCanary};
use flowgate_api::operation::Operation;
use flowgate_base::error::Result;

use super::error::NodeError;
use super::operation;
use super::session::Session;
use crate::{canary, terminal};

/// Runs a canary until its time is over, and prints what it has found. Ctrl-C ends it before.
///
/// # Errors
/// The new version does not fit, or does something else; or the node does not answer.
pub(crate) fn run(session: &Session, job: &str, request: &NewCanary, as_json: bool) -> Result<()> {
    let path = session.path(&["jobs", job, "canary"])?;
    let begun: Operation = session.client.post(&path, request)?.value;
    let ends = || match session.client.delete(&path) {
        // It has not begun to compare.
        Err(error) if error.code == &crate::code::NODE_REFUSES => Ok(false),
        deleted => deleted.map(|()| true),
    };
    let result = operation::wait_or_end(session, begun, &ends)?;
    let canary: Canary = match serde_json::from_value(result) {
        Ok(canary) => canary,
        Err(e) => return Err(NodeError::Answer(format!("what the canary has found cannot be read: {e}")).into()),
    };
    if !as_json {
        terminal::print(&format!("{} beside {}\n", canary.to, canary.from))?;
    }
    canary::conclude(&canary.found, as_json)
}
