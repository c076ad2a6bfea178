//! A program that exports no traces.

use axum::http::HeaderMap;
use flowgate_base::error::Result;
use tracing::Span;

use super::Destination;

/// What led to something: not known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause;

impl Cause {
    pub(crate) fn nothing() -> Cause {
        Cause
    }

    pub(crate) fn here() -> Cause {
        Cause
    }

    pub(crate) fn of_span(_: &Span) -> Cause {
        Cause
    }

    pub(crate) fn of_client(_: &HeaderMap) -> Cause {
        Cause
    }

    pub(crate) fn leads_to(&self, _: &Span) {}
}

/// No export.
#[derive(Debug, Default)]
pub(crate) struct Export;

impl Export {
    /// Settings that name a destination are refused before.
    #[expect(clippy::unnecessary_wraps, reason = "as the one with the feature")]
    pub(crate) fn start(_: Option<&Destination>) -> Result<Export> {
        Ok(Export)
    }

    #[expect(clippy::unused_async, reason = "as the one with the feature")]
    pub(crate) async fn end(self) {}
}
