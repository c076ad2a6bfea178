//! The guard of outgoing connections: judges the host by its name, then every address that the name leads to. The client connects
//! to the addresses that were judged; it resolves no name again.

use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::grants::{Policy, Refused};
use crate::touches::Target;

/// Resolves names for a client, within a policy.
#[derive(Debug)]
pub(crate) struct Guard {
    policy: Arc<Policy>,
    names: DefaultResolver,
}

impl Guard {
    pub(crate) fn new(policy: &Arc<Policy>) -> Guard {
        Guard { policy: Arc::clone(policy), names: DefaultResolver::default() }
    }
}

impl Resolver for Guard {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let target = Target::of_url(&uri.to_string()).ok_or(ureq::Error::HostNotFound)?;
        self.policy.connect(&target).map_err(refused)?;
        let addresses = self.names.resolve(uri, config, timeout)?;
        // One that is refused among others is an attack, or a mistake of whoever owns the name: none is tried.
        addresses.iter().try_for_each(|address| self.policy.address(*address)).map_err(refused)?;
        Ok(addresses)
    }
}

/// No kind of error that is tried again.
fn refused(why: Refused) -> ureq::Error {
    ureq::Error::Other(Box::new(why))
}
