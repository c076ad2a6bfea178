//! Connections whose client does not read: they end.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream that fails when what is written is not taken within a time.
pub(super) struct Taken<S> {
    stream: S,
    within: Duration,
    /// When the write that waits fails.
    until: Pin<Box<Sleep>>,
    waits: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Taken<S> {
    pub(super) fn new(stream: S, within: Duration) -> Taken<S> {
        Taken { stream, within, until: Box::pin(sleep(within)), waits: false }
    }

    fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(written) = write(Pin::new(&mut self.stream), context) {
            self.waits = false;
            return Poll::Ready(written);
        }
        if !self.waits {
            self.waits = true;
            let until = Instant::now() + self.within;
            self.until.as_mut().reset(until);
        }
        ready!(self.until.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |stream, context| stream.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, |stream, context| stream.poll_shutdown(context))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, to)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up_and_a_slow_one_is_not() {
        let (client, server) = tokio::io::duplex(16);
        let error = Taken::new(server, Duration::from_millis(20)).write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
        let (mut client, server) = tokio::io::duplex(16);
        let reads = tokio::spawn(async move {
            let mut taken = [0; 16];
            for _ in 0..10 {
                sleep(Duration::from_millis(200)).await;
                client.read_exact(&mut taken).await.unwrap();
            }
        });
        // In all, it waits for twice that time.
        Taken::new(server, Duration::from_secs(1)).write_all(&[0; 160]).await.unwrap();
        reads.await.unwrap();
    }
}
