//! What a node says to the service manager that started it, such as systemd: the protocol of `sd_notify(3)`.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable with the address of the socket. Worker processes have another environment: nothing of a job can speak for the node.
const SOCKET: &str = "NOTIFY_SOCKET";

/// The service manager that wants to know how far the node is; none, if the node was started by somebody else.
pub(super) struct ServiceManager(Option<(UnixDatagram, SocketAddr)>);

impl ServiceManager {
    /// Finds the service manager in the environment of this process.
    ///
    /// # Errors
    /// Its address is none, or the system gives no socket.
    pub(super) fn of_this_process() -> io::Result<ServiceManager> {
        let Some(text) = env::var_os(SOCKET).filter(|text| !text.is_empty()) else { return Ok(ServiceManager(None)) };
        Ok(ServiceManager(Some((UnixDatagram::unbound()?, address(&text)?))))
    }

    /// The node serves at `address`.
    pub(super) fn ready(&self, address: &str) {
        self.say(&format!("READY=1\nSTATUS=serves at {address}"));
    }

    /// The node stops.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    fn say(&self, message: &str) {
        if let ServiceManager(Some((socket, address))) = self {
            // One that does not listen is no reason not to serve: it waits for its own time and then acts.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

/// Reads an address: a path, or a name that is in no file system, behind `@`.
fn address(text: &OsStr) -> io::Result<SocketAddr> {
    match text.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(text),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither an absolute path nor a name behind `@`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_or_a_name() {
        assert_eq!(address(OsStr::new("/run/s")).unwrap().as_pathname().unwrap().to_str(), Some("/run/s"));
        assert_eq!(address(OsStr::new("@flowgate")).unwrap().as_abstract_name(), Some(&b"flowgate"[..]));
        for wrong in ["run/s", "vsock:2:1", &format!("/{}", "x".repeat(200))] {
            assert!(address(OsStr::new(wrong)).is_err(), "{wrong}");
        }
    }
}
