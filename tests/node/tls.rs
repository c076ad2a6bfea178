//! TLS: with the certificate of the moment, and with nothing that is not TLS.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::PATIENCE;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use crate::http::{Http, connect_from};
use crate::served::Served;

/// Writes a new certificate and its key into the files. Returns a client that trusts no other one.
fn certify(folder: &Path) -> Arc<ClientConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).expect("a certificate");
    fs::write(folder.join("node.key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("node.crt"), made.cert.pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    Arc::new(config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth())
}

/// Asks over TLS; `None` where the certificate is not the trusted one.
fn ask(served: &Served, client: &Arc<ClientConfig>, path: &str) -> Option<u16> {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(client), name).unwrap();
    let stream = TcpStream::connect(served.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut http = Http::over(StreamOwned::new(connection, stream));
    let authorization = format!("Bearer {}", served.admin);
    http.try_ask("GET", path, &[("Authorization", &authorization)], b"").ok().map(|response| response.status)
}

#[test]
fn a_certificate_is_changed_while_the_node_runs() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let [certificate, key] = ["node.crt", "node.key.pem"].map(|name| folder.path().join(name).display().to_string());
    let served = Served::start_with(&["--tls-cert", &certificate, "--tls-key", &key]);
    assert_eq!(ask(&served, &first, "/api/v1/whoami"), Some(200));
    // Plain HTTP gets nothing that could be taken for an answer.
    let plain = Http::connect(served.address).try_ask("GET", "/healthz", &[], b"");
    assert!(plain.is_err(), "{plain:?}");
    // Clients that begin a handshake and do not go on are gone in time, and nobody waits for them.
    let stalled: Vec<_> = (0..100u8)
        .map(|at| {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 3, at % 2 + 1), served.address).unwrap();
            std::io::Write::write_all(&mut stream, &b"\x16\x03\x01\x02\x00\x01"[..usize::from(at % 7)]).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(ask(&served, &first, "/healthz"), Some(200));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for mut stream in stalled {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let end = std::io::Read::read(&mut stream, &mut [0; 64]);
        assert!(!matches!(end, Ok(1..)), "{end:?}");
    }
    println!("stalled handshakes are gone after {:.1?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    // A key that does not fit is not used; the certificate before is served until both fit.
    fs::write(&key, "no key").unwrap();
    sleep(Duration::from_secs(6));
    assert_eq!(ask(&served, &first, "/healthz"), Some(200));
    let second = certify(folder.path());
    let begun = Instant::now();
    while ask(&served, &second, "/healthz") != Some(200) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the new certificate is not served: {}", served.said());
        sleep(Duration::from_millis(500));
    }
    assert_eq!(ask(&served, &first, "/healthz"), None);
    assert!(served.said().contains("the changed certificate is not used"), "{}", served.said());
}
