//! Streams of server-sent events: how many a tenant has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use flowgate_api::problem::Code;

use crate::api::refusal::{Answer, Refusal};

/// Counts streams.
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<String, usize>>>,
    of_tenant_max: usize,
}

/// A stream that is counted.
pub(crate) struct Counted {
    of: Arc<Mutex<HashMap<String, usize>>>,
    tenant: String,
}

impl Streams {
    /// Creates a count of streams, of which a tenant may have that many at once.
    pub(crate) fn new(of_tenant_max: usize) -> Streams {
        Streams { open: Arc::default(), of_tenant_max }
    }

    /// Counts another stream of a tenant.
    ///
    /// # Errors
    /// It has too many.
    pub(crate) fn open(&self, tenant: &str) -> Answer<Counted> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of = open.entry(tenant.into()).or_default();
        if *of >= self.of_tenant_max {
            let detail = format!("the tenant has {of} streams open; close one of them");
            return Err(Refusal::new(Code::TooMany, detail).retry_after(5));
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
