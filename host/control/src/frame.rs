//! Frames: how messages are divided on a connection.
//!
//! ```text
//!  0       2         4          8
//!  ┌───────┬─────────┬──────────┬──────────────────────┐
//!  │ "FG"  │ version │ length   │ body: JSON, UTF-8    │
//!  └───────┴─────────┴──────────┴──────────────────────┘
//!    bytes   u16       u32        `length` bytes
//! ```
//!
//! Numbers are big-endian. The version counts changes that the other side cannot ignore. A frame of another version has the same
//! header, so that both sides can say which versions they speak.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version that this crate speaks.
pub const VERSION: u16 = 1;

/// The first bytes of a frame.
const MAGIC: [u8; 2] = *b"FG";

/// Bytes of a header.
const HEADER_BYTES: usize = 8;

/// Bytes by which the memory for a body grows at least: a length is a claim until its bytes have arrived.
const CHUNK_BYTES: usize = 64 << 10;

/// Why a frame cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection was closed between two frames.
    #[error("the other side has closed the connection")]
    Closed,
    /// The first bytes are not those of a frame.
    #[error("the other side does not speak Flowgate's protocol")]
    NotAFrame,
    /// A frame of another version.
    #[error("the other side speaks version {0} of the protocol, this program version {VERSION}")]
    Version(u16),
    /// A body over the limit, in bytes.
    #[error("a message of {0} bytes is over the limit of {1}")]
    TooLong(usize, usize),
    /// A body that is no message.
    #[error("not a message: {0}")]
    NotAMessage(serde_json::Error),
    /// The connection failed, or the time is over.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads one message, whose body has at most `bytes_max` bytes. Nothing behind it is read.
///
/// # Errors
/// The connection ends or fails, or what arrives is not a frame of this version with a message.
pub fn read<M: DeserializeOwned>(from: &mut impl Read, bytes_max: usize) -> Result<M, FrameError> {
    let mut header = [0; HEADER_BYTES];
    if from.read(&mut header[..1])? == 0 {
        return Err(FrameError::Closed);
    }
    from.read_exact(&mut header[1..])?;
    let [m0, m1, v0, v1, l0, l1, l2, l3] = header;
    if [m0, m1] != MAGIC {
        return Err(FrameError::NotAFrame);
    }
    let version = u16::from_be_bytes([v0, v1]);
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    if length > bytes_max {
        return Err(FrameError::TooLong(length, bytes_max));
    }
    let mut body = Vec::new();
    while body.len() < length {
        let read = body.len();
        body.resize(length.min(read + CHUNK_BYTES), 0);
        from.read_exact(&mut body[read..])?;
    }
    serde_json::from_slice(&body).map_err(FrameError::NotAMessage)
}

/// Returns the frame of a message, whose body has at most `bytes_max` bytes.
///
/// # Errors
/// The body is longer.
pub fn encode(message: &impl Serialize, bytes_max: usize) -> Result<Vec<u8>, FrameError> {
    let mut frame = Vec::from(MAGIC);
    frame.extend(VERSION.to_be_bytes());
    frame.extend([0; 4]);
    serde_json::to_writer(&mut frame, message).map_err(FrameError::NotAMessage)?;
    let length = frame.len() - HEADER_BYTES;
    match u32::try_from(length) {
        Ok(prefix) if length <= bytes_max => {
            frame[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&prefix.to_be_bytes());
            Ok(frame)
        }
        _ => Err(FrameError::TooLong(length, bytes_max)),
    }
}

/// Writes one message, whose body has at most `bytes_max` bytes.
///
/// # Errors
/// The body is longer, or the connection fails.
pub fn write(to: &mut impl Write, message: &impl Serialize, bytes_max: usize) -> Result<(), FrameError> {
    to.write_all(&encode(message, bytes_max)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::REQUEST_BYTES_MAX;
    use crate::message::Request;

    fn decode(bytes: &[u8]) -> Result<Request, FrameError> {
        read(&mut &bytes[..], REQUEST_BYTES_MAX)
    }

    #[test]
    fn the_bytes_of_a_frame_are_these() {
        let frame = encode(&Request::Status {}, REQUEST_BYTES_MAX).unwrap();
        assert_eq!(frame, b"FG\x00\x01\x00\x00\x00\x0d{\"status\":{}}");
        assert_eq!(decode(&frame).unwrap(), Request::Status {});
    }

    /// A length is not believed: memory grows with the bytes that arrive.
    #[test]
    fn a_giant_length_costs_nothing() {
        let frame = b"FG\x00\x01\xff\xff\xff\xff{}";
        assert!(matches!(decode(frame), Err(FrameError::TooLong(0xffff_ffff, REQUEST_BYTES_MAX))));
        let short = b"FG\x00\x01\x00\x00\xff\xff{}";
        assert!(matches!(decode(short), Err(FrameError::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let operator = "x".repeat(100);
        assert!(matches!(encode(&Request::Explain { operator }, 100), Err(FrameError::TooLong(_, 100))));
    }

    /// A setting that this program does not know is not ignored: a stop with it would be another stop.
    #[test]
    fn unknown_fields_and_requests_are_refused() {
        for body in [r#"{"stop":{"drain":true,"wait":false,"within":"1s"}}"#, r#"{"fly":{}}"#, r#"{"status":{"a":1}}"#]
        {
            let mut frame = b"FG\x00\x01\x00\x00\x00".to_vec();
            frame.push(body.len() as u8);
            frame.extend(body.bytes());
            assert!(matches!(decode(&frame), Err(FrameError::NotAMessage(_))), "{body}");
        }
    }

    proptest! {
        /// Goal: no bytes make the reader panic or read beyond its frame. Method: random bytes, mostly behind a valid header.
        #[test]
        fn any_bytes_are_a_message_or_an_error(valid in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut frame = if valid { b"FG\x00\x01\x00\x00\x00".to_vec() } else { Vec::new() };
            frame.extend(&bytes);
            let mut rest = &frame[..];
            let decoded = read::<Request>(&mut rest, REQUEST_BYTES_MAX);
            prop_assert!(decoded.is_err() || !rest.is_empty() || frame.len() <= HEADER_BYTES + REQUEST_BYTES_MAX);
        }

        /// Goal: half a frame is never a message. Method: every prefix of a frame.
        #[test]
        fn a_part_of_a_frame_is_an_error(operator in "[a-z]{0,20}", cut in 0.0..1.0) {
            let frame = encode(&Request::Explain { operator: operator.clone() }, REQUEST_BYTES_MAX).unwrap();
            let part = &frame[..(frame.len() as f64 * cut) as usize];
            prop_assert!(decode(part).is_err());
            prop_assert_eq!(decode(&frame).unwrap(), Request::Explain { operator });
        }
    }
}
