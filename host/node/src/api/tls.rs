//! TLS by two files, which are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use flowgate_base::error::{Error, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto};
use tokio_rustls::TlsAcceptor;

use crate::log;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The certificate and key of the node.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    present: RwLock<TlsAcceptor>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// They are not readable, are no certificate and key, or do not belong together.
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Tls> {
        let present = RwLock::new(read(certificate, key)?);
        Ok(Tls { certificate: certificate.into(), key: key.into(), present })
    }

    /// Returns what accepts the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again whenever they have changed. While they do not fit, connections get the certificate from before.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut known = self.changed();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let changed = self.changed();
            if changed == known {
                continue;
            }
            match read(&self.certificate, &self.key) {
                Ok(acceptor) => {
                    *self.present.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
                    log::info("the certificate was read again");
                    known = changed;
                }
                // One of the two may not be written yet.
                Err(error) => log::warning(&format!("the changed certificate is not used: {error}")),
            }
        }
    }

    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|path| path.metadata().and_then(|of| of.modified()).ok())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let wrong = |path: &Path, why: String| Error::io(path.display(), &std::io::Error::other(why));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, format!("is no certificate in PEM: {error}")))?;
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, format!("is no private key in PEM: {error}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| wrong(certificate, format!("does not serve with {}: {error}", key.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
