//! What somebody wants of a job, and how a node that starts again has it done.

use super::machine::Input;
use crate::catalog::Want;

/// Returns what somebody wants who has a job take an input.
pub(super) fn by(input: &Input) -> Option<Want> {
    match input {
        Input::Start | Input::Restart => Some(Want::Runs),
        Input::Stop { drain, savepoint } => Some(Want::Stops { drain: *drain, savepoint: savepoint.clone() }),
        Input::Cancel => Some(Want::Ends),
        _ => None,
    }
}

/// Returns the input with which a running job ends as somebody wants; `None` if it is to run.
pub(super) fn end(want: &Want) -> Option<Input> {
    match want {
        Want::Runs => None,
        Want::Stops { drain, savepoint } => Some(Input::Stop { drain: *drain, savepoint: savepoint.clone() }),
        Want::Ends => Some(Input::Cancel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the catalog has when the node ends is what the next one does.
    #[test]
    fn the_next_node_ends_a_job_as_it_was_wanted() {
        for drain in [false, true] {
            for savepoint in [None, Some("last".to_string())] {
                let input = Input::Stop { drain, savepoint };
                assert_eq!(end(&by(&input).unwrap()), Some(input));
            }
        }
        assert_eq!(end(&by(&Input::Cancel).unwrap()), Some(Input::Cancel));
        for input in [Input::Start, Input::Restart] {
            assert_eq!(end(&by(&input).unwrap()), None);
        }
        assert_eq!(by(&Input::Ready), None);
    }
}
