//! Where traces go.

/// Whether this program can export traces.
pub(crate) const BUILT_IN: bool = cfg!(feature = "otel");

/// Where traces go.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// The address of a receiver of OTLP over HTTP, with its path.
    pub endpoint: String,
    /// Headers of requests to it, which may be secrets.
    pub headers: Vec<(String, String)>,
}

/// No value of a header is shown.
impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Destination").field("endpoint", &self.endpoint).field("headers", &names).finish()
    }
}
