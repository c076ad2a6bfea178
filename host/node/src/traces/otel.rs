//! The place of a span in its trace.

use axum::http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What led to something: a span, which may have ended.
#[derive(Debug, Clone)]
pub(crate) struct Cause(SpanContext);

impl Default for Cause {
    fn default() -> Self {
        Cause::nothing()
    }
}

impl Cause {
    /// Nothing: a trace begins.
    pub(crate) fn nothing() -> Cause {
        Cause(SpanContext::NONE)
    }

    /// Returns the span in which this runs.
    pub(crate) fn here() -> Cause {
        Cause::of_span(&Span::current())
    }

    /// Returns a span.
    pub(crate) fn of_span(span: &Span) -> Cause {
        Cause(span.context().span().span_context().clone())
    }

    /// Returns the span of a client, which its request names (`traceparent`, W3C Trace Context).
    pub(crate) fn of_client(headers: &HeaderMap) -> Cause {
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        Cause(context.span().span_context().clone())
    }

    /// Makes a span that has just been made a part of the trace. It does not keep the cause from ending, as a parent of `tracing` would.
    pub(crate) fn leads_to(&self, span: &Span) {
        if self.0.is_valid() {
            // Refused where nobody takes spans.
            let _ = span.set_parent(Context::new().with_remote_span_context(self.0.clone()));
        }
    }
}
