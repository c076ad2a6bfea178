//! What a tenant has open at once: requests that are being served, and streams of server-sent events.

use flowgate_api::problem::Code;

use crate::api::refusal::{Answer, Refusal};
use crate::counts::{Counted, Counts};

/// Counts what is open, by tenant.
pub(crate) struct Streams {
    open: Counts<String>,
    /// What is counted, for people.
    what: &'static str,
}

impl Streams {
    /// Counts things of this name, of which a tenant may have some.
    pub(crate) fn new(what: &'static str, of_tenant_max: usize) -> Streams {
        Streams { open: Counts::new(of_tenant_max), what }
    }

    /// Counts another one of a tenant.
    ///
    /// # Errors
    /// It has too many.
    pub(crate) fn open(&self, tenant: &str) -> Answer<Counted<String>> {
        self.open.add(tenant.into()).map_err(|count| {
            let detail = format!("the tenant has {count} {} open; wait for the end of one of them", self.what);
            Refusal::new(Code::TooMany, detail).retry_after(1)
        })
    }
}
