//! The node: catalog, supervisor, HTTP API.
