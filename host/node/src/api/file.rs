//! Files as bodies of responses.

use std::fs::File;
use std::io::{self, Read};

use axum::body::{Body, Bytes};
use futures_util::stream;

/// Bytes of one part of the response.
const PART_BYTES: usize = 256 << 10;

/// Returns a body that has what is in a file, of which one part at a time is in memory.
pub(super) fn body(file: File) -> Body {
    Body::from_stream(stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut part = vec![0; PART_BYTES];
            let count = file.read(&mut part)?;
            part.truncate(count);
            Ok::<_, io::Error>((part, file))
        });
        match read.await.map_err(io::Error::other).flatten() {
            Ok((part, _)) if part.is_empty() => None,
            Ok((part, file)) => Some((Ok(Bytes::from(part)), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}
