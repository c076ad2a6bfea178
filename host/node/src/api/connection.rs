//! Connections: accepted within limits, perhaps with TLS, and served by hyper.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::Service;

use super::access::Client;
use super::stall::Taken;
use super::tls::Tls;
use crate::counts::Counts;
use crate::limits::{
    ANSWERED_WITHIN, HANDSHAKE_WITHIN, HEAD_BYTES_MAX, HEAD_WITHIN, HEADERS_MAX, NodeLimits, TAKEN_WITHIN,
};
use crate::log;

/// The pause after an error of the system in accepting, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until `stop` says so. Those that are open then end with their request, within a time.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    limits: NodeLimits,
    mut stop: watch::Receiver<bool>,
) {
    let all = Arc::new(Semaphore::new(limits.connections));
    let addresses = Counts::new(limits.connections_of_address);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warning(&format!("a connection is not accepted: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // One that is over the limits is closed without a word: an answer would cost what the attack wants.
        let Ok(permit) = Arc::clone(&all).try_acquire_owned() else { continue };
        let Ok(counted) = addresses.add(address.ip().to_canonical()) else { continue };
        let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
        tokio::spawn(async move {
            // What ends a connection is the client's affair.
            let _ = one(stream, address, router, tls, stop).await;
            drop((permit, counted));
        });
    }
    drop(listener);
    let every = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    // A stream of events has no end of its own: it is cut.
    let _ = tokio::time::timeout(ANSWERED_WITHIN, all.acquire_many(every)).await;
}

async fn one(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => requests(stream, address, router, stop).await,
        Some(tls) => {
            let handshake = tokio::time::timeout(HANDSHAKE_WITHIN, tls.acceptor().accept(stream));
            let stream = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            requests(stream, address, router, stop).await
        }
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Client(address.ip().to_canonical()));
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Taken::new(stream, TAKEN_WITHIN)), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(io::Error::other)
}
