//! What goes wrong between this program and a node.

use flowgate_api::Problem;
use flowgate_api::problem::Code as Kind;
use flowgate_base::error::{Code, Coded, Error};

use crate::code;

/// Why a node has not done what was requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NodeError {
    /// It cannot be reached, or its answer does not arrive.
    #[error("{0}")]
    Silent(String),
    /// What arrives is no answer of a node that this program knows.
    #[error("{0}")]
    Answer(String),
    /// It does not accept the token, or there is none.
    #[error("{0}")]
    Token(String),
    /// It refuses the request.
    #[error("{0}")]
    Refused(String),
    /// It cannot do it at this time.
    #[error("{0}")]
    NotNow(String),
}

impl Coded for NodeError {
    fn code(&self) -> &'static Code {
        match self {
            NodeError::Silent(_) => &code::NODE_SILENT,
            NodeError::Answer(_) => &code::NODE_ANSWER,
            NodeError::Token(_) => &code::NODE_TOKEN,
            NodeError::Refused(_) => &code::NODE_REFUSES,
            NodeError::NotNow(_) => &code::NODE_NOT_NOW,
        }
    }
}

/// Returns the error of a problem, with what to do about it.
pub(super) fn of_problem(node: &str, problem: &Problem) -> Error {
    let detail = problem.detail.trim_end();
    let then = |what: &str| format!("{detail}; {what}");
    match problem.code {
        Kind::Unauthorized => NodeError::Token(format!(
            "{node} does not accept the token: {detail}; log in with `flowgate login {node}`, or correct FLOWGATE_TOKEN"
        ))
        .into(),
        Kind::Forbidden => NodeError::Refused(then(
            "`flowgate whoami` says what your token allows; an admin creates another with `flowgate token create`",
        ))
        .into(),
        Kind::Policy => {
            NodeError::Refused(then("an admin of the node grants it with `flowgate tenant set TENANT --grant-...`"))
                .into()
        }
        Kind::Quota => NodeError::Refused(then("`flowgate tenant usage` shows what is used of the quotas")).into(),
        Kind::NotFound => NodeError::Refused(then("`flowgate whoami` says which node and tenant were asked")).into(),
        Kind::TooMany | Kind::TooSlow | Kind::Unavailable | Kind::Interrupted => {
            NodeError::NotNow(detail.into()).into()
        }
        Kind::Internal => Error::internal(format!("{node}: {detail}")),
        Kind::MethodNotAllowed => {
            NodeError::Answer(then("the node is of another version of Flowgate; `flowgate whoami` says which")).into()
        }
        Kind::Conflict | Kind::BadRequest | Kind::Invalid | Kind::TooLarge | Kind::UnsupportedMediaType => {
            NodeError::Refused(detail.into()).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use flowgate_base::error::Fault;

    use super::*;

    #[test]
    fn every_problem_says_whose_fault_it_is_and_what_to_do() {
        let of = |code| of_problem("http://node", &Problem::new(code, "no"));
        let cases = [
            (Kind::Unauthorized, Fault::User, "flowgate login http://node"),
            (Kind::Forbidden, Fault::User, "flowgate token create"),
            (Kind::Policy, Fault::User, "flowgate tenant set"),
            (Kind::Quota, Fault::User, "flowgate tenant usage"),
            (Kind::NotFound, Fault::User, "flowgate whoami"),
            (Kind::Invalid, Fault::User, "no"),
            (Kind::TooMany, Fault::External, "no"),
            (Kind::Unavailable, Fault::External, "no"),
            (Kind::Interrupted, Fault::External, "no"),
            (Kind::Internal, Fault::Internal, "http://node"),
        ];
        for (code, fault, says) in cases {
            let error = of(code);
            assert_eq!(error.fault(), fault, "{code:?}");
            assert!(error.message.contains(says), "{code:?}: {}", error.message);
        }
    }
}
