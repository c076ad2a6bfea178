//! What a tenant has open at once: requests that are being served, and streams of server-sent events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use flowgate_api::problem::Code;

use crate::api::refusal::{Answer, Refusal};

/// Counts what is open, by tenant.
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<String, usize>>>,
    /// What is counted, for people.
    what: &'static str,
    of_tenant_max: usize,
}

/// One that is counted.
pub(crate) struct Counted {
    of: Arc<Mutex<HashMap<String, usize>>>,
    tenant: String,
}

impl Streams {
    /// Counts things of this name, of which a tenant may have some.
    pub(crate) fn new(what: &'static str, of_tenant_max: usize) -> Streams {
        Streams { open: Arc::default(), what, of_tenant_max }
    }

    /// Counts another one of a tenant.
    ///
    /// # Errors
    /// It has too many.
    pub(crate) fn open(&self, tenant: &str) -> Answer<Counted> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of = open.entry(tenant.into()).or_default();
        if *of >= self.of_tenant_max {
            let detail = format!("the tenant has {of} {} open; wait for the end of one of them", self.what);
            return Err(Refusal::new(Code::TooMany, detail).retry_after(1));
        }
        *of += 1;
        Ok(Counted { of: Arc::clone(&self.open), tenant: tenant.into() })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = open.get_mut(&self.tenant) {
            *of -= 1;
            if *of == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}
