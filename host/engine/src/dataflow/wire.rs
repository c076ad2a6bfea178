//! The encoding of messages between worker processes.
//!
//! ```text
//! frame    := version:u8 (3)  count:u32  message*  padding to a multiple of 8 bytes
//! message  := from:u32  to:u32  tag:u8  body
//! body     := tag 0, active:     watermark:i64
//!           | tag 1, idle:       watermark:i64
//!           | tag 2, ended:      watermark:i64
//!           | tag 4, stop
//!           | tag 5, drain
//!           | tag 6, checkpoint: checkpoint:u64  tick:u64
//!           | tag 7, boundary:   checkpoint:u64  tick:u64
//!           | tag 3, batch:      row_count:u32  has_event_time:u8  length:u32  Arrow IPC stream
//! ```
//! Little-endian. The IPC stream holds one record batch: the columns, then the event time if there is one. The origin of rows is
//! not sent.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};

use super::batch::{Batch, Column};
use super::checkpoint::boundary::Boundary;
use super::engine::Tick;
use super::message::{Control, Envelope, Message, Messages};
use super::watermark::{Activity, Signal};
use flowgate_base::error::{Error, Result};
use flowgate_base::id::Worker;
use flowgate_base::time::EventTime;

const VERSION: u8 = 3;

/// Encodes messages as a frame.
pub(crate) fn encode(messages: &Messages) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&(messages.0.len() as u32).to_le_bytes());
    for Envelope { from, to, message, .. } in &messages.0 {
        out.extend_from_slice(&from.0.to_le_bytes());
        out.extend_from_slice(&to.0.to_le_bytes());
        match message {
            Message::Signal(signal) => {
                out.push(match signal.activity {
                    Activity::Active => 0,
                    Activity::Idle => 1,
                    Activity::Ended => 2,
                });
                out.extend_from_slice(&signal.watermark.0.to_le_bytes());
            }
            Message::Control(Control::Stop) => out.push(4),
            Message::Control(Control::Drain) => out.push(5),
            Message::Control(Control::Checkpoint(boundary)) => put_boundary(6, *boundary, &mut out),
            Message::Boundary(boundary) => put_boundary(7, *boundary, &mut out),
            Message::Batch(batch) => {
                out.push(3);
                out.extend_from_slice(&(batch.row_count() as u32).to_le_bytes());
                out.push(batch.event_time().is_some().into());
                let at = out.len();
                out.extend_from_slice(&[0; 4]);
                // The columns are valid and in memory: a failure is a mistake in this file.
                write_columns(batch, &mut out).unwrap_or_else(|e| panic!("a batch does not encode: {e}"));
                let length = (out.len() - at - 4) as u32;
                out[at..at + 4].copy_from_slice(&length.to_le_bytes());
            }
        }
    }
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn put_boundary(tag: u8, boundary: Boundary, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&boundary.checkpoint.to_le_bytes());
    out.extend_from_slice(&boundary.tick.0.to_le_bytes());
}

fn write_columns(batch: &Batch, out: &mut Vec<u8>) -> Result<()> {
    let wrong = |e: arrow_schema::ArrowError| Error::internal(e.to_string());
    let mut columns = batch.gather()?;
    if let Some(event_time) = batch.event_time() {
        columns.push(event_time.gather()?);
    }
    let fields: Vec<_> =
        columns.iter().enumerate().map(|(i, c)| Field::new(i.to_string(), c.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.row_count()));
    let record = RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(wrong)?;
    let mut writer = StreamWriter::try_new(out, &schema).map_err(wrong)?;
    writer.write(&record).and_then(|()| writer.finish()).map_err(wrong)
}

/// Decodes the messages of a frame.
///
/// # Errors
/// The bytes are not a frame of this version: an internal error.
pub(crate) fn decode(bytes: &[u8]) -> Result<Messages> {
    let mut reader = Reader(bytes);
    let version = reader.u8()?;
    if version != VERSION {
        return Err(Error::internal(format!("frame of version {version}, this build has {VERSION}")));
    }
    let count = reader.u32()?;
    let mut messages = Vec::new();
    for _ in 0..count {
        let (from, to) = (Worker(reader.u32()?), Worker(reader.u32()?));
        let message = match reader.u8()? {
            0 => Message::Signal(Signal::active(EventTime(reader.i64()?))),
            1 => Message::Signal(Signal::idle(EventTime(reader.i64()?))),
            2 => Message::Signal(Signal::ended(EventTime(reader.i64()?))),
            3 => Message::Batch(reader.batch()?),
            4 => Message::Control(Control::Stop),
            5 => Message::Control(Control::Drain),
            6 => Message::Control(Control::Checkpoint(reader.boundary()?)),
            7 => Message::Boundary(reader.boundary()?),
            tag => return Err(Error::internal(format!("unknown message {tag}"))),
        };
        messages.push(Envelope::new(from, to, message));
    }
    Ok(Messages(messages))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| Error::internal("frame is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn boundary(&mut self) -> Result<Boundary> {
        Ok(Boundary { checkpoint: self.u64()?, tick: Tick(self.u64()?) })
    }

    fn batch(&mut self) -> Result<Batch> {
        let wrong = |e: arrow_schema::ArrowError| Error::internal(e.to_string());
        let missing = || Error::internal("a batch lacks a column");
        let row_count = self.u32()? as usize;
        let has_event_time = self.u8()? != 0;
        let length = self.u32()? as usize;
        let mut stream = StreamReader::try_new(self.take(length)?, None).map_err(wrong)?;
        let record = stream.next().ok_or_else(missing)?.map_err(wrong)?;
        if record.num_rows() != row_count {
            let rows = record.num_rows();
            return Err(Error::internal(format!("batch header says {row_count} rows, record batch has {rows}")));
        }
        let mut columns: Vec<ArrayRef> = record.columns().to_vec();
        let event_time = if has_event_time { Some(columns.pop().ok_or_else(missing)?) } else { None };
        Ok(Batch::new(columns, row_count).with_event_time(event_time.map(Column::from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::batch::repeat_timestamp;
    use arrow_array::cast::AsArray;
    use arrow_array::{Int64Array, StringArray};

    fn sample() -> Messages {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
            Arc::new(StringArray::from(vec!["a", "", "ü"])),
        ];
        let batch =
            Batch::new(columns, 3).with_event_time(Some(repeat_timestamp(7, 3).into())).select(&vec![2, 0].into());
        let boundary = Boundary { checkpoint: 7, tick: Tick(1_234) };
        let messages = [
            (1, Message::Signal(Signal::active(EventTime(-5)))),
            (0, Message::Batch(batch)),
            (3, Message::Batch(Batch::new(vec![], 4))),
            (0, Message::Signal(Signal::idle(EventTime(7)))),
            (0, Message::Signal(Signal::ended(EventTime(8)))),
            (2, Message::Control(Control::Stop)),
            (2, Message::Control(Control::Drain)),
            (1, Message::Control(Control::Checkpoint(boundary))),
            (1, Message::Boundary(boundary)),
        ];
        Messages(messages.into_iter().map(|(to, message)| Envelope::new(Worker(5), Worker(to), message)).collect())
    }

    #[test]
    fn messages_survive_encoding() {
        let bytes = encode(&sample());
        assert_eq!(bytes.len() % 8, 0, "the engine aligns messages to 8 bytes");
        let back = decode(&bytes).unwrap();
        assert_eq!(encode(&back), bytes);
        assert_eq!((back.0[3].from, back.0[3].to), (Worker(5), Worker(0)));
        let Message::Batch(batch) = &back.0[1].message else { panic!("a batch") };
        assert_eq!(batch.row_count(), 2);
        assert_eq!(batch.gather().unwrap()[1].as_string::<i32>().value(0), "ü");
    }

    #[test]
    fn a_frame_that_is_cut_off_anywhere_is_an_error() {
        let bytes = encode(&sample());
        let whole = bytes.len() - 7; // at most this much is padding
        for length in 0..whole {
            assert!(decode(&bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
