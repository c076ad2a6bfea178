//! The export of spans by OTLP over HTTP.

use std::sync::OnceLock;

use flowgate_base::error::{Error, Result};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use super::Destination;
use super::http_client::Client;
use super::limits::{EXPORT_LAST_WITHIN, EXPORT_WITHIN};
use crate::log;

/// The spans that are exported: ours.
const TARGET: &str = env!("CARGO_CRATE_NAME");

/// Set by the first export of this process: `tracing` has one subscriber a process.
static STARTED: OnceLock<()> = OnceLock::new();

/// An export that goes on.
#[derive(Debug, Default)]
pub(crate) struct Export(Option<SdkTracerProvider>);

impl Export {
    /// Starts the export to a destination, if there is one. A thread of its own sends spans every few seconds.
    ///
    /// # Errors
    /// The destination is none, or this process exports already.
    pub(crate) fn start(to: Option<&Destination>) -> Result<Export> {
        let Some(to) = to else { return Ok(Export(None)) };
        let cannot = |what: String| Error::internal(format!("traces cannot be exported: {what}"));
        if STARTED.set(()).is_err() {
            return Err(cannot("another node of this process exports its own".into()));
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(&to.endpoint))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&to.endpoint)
            .with_timeout(EXPORT_WITHIN)
            .with_headers(to.headers.iter().cloned().collect())
            .build()
            .map_err(|error| cannot(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name("flowgate")
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        let spans = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("flowgate"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO));
        tracing::subscriber::set_global_default(Registry::default().with(spans))
            .map_err(|error| cannot(error.to_string()))?;
        log::info(&format!("traces of control operations go to {}", to.endpoint));
        Ok(Export(Some(provider)))
    }

    /// Sends what is left, and ends.
    pub(crate) async fn end(self) {
        let Some(provider) = self.0 else { return };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORT_LAST_WITHIN)).await;
        if let Ok(Err(error)) = ended {
            log::warning(&format!("the last traces were not exported: {error}"));
        }
    }
}
