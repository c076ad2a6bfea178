//! Spans of an export, read from the encoding of Protocol Buffers. The numbers of fields are those of `trace.proto` and `common.proto` of
//! OpenTelemetry.

use std::collections::BTreeMap;

/// A span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: the trace begins here.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// 1: internal, 2: of a server.
    pub(crate) kind: u64,
    /// Nanoseconds since 1970.
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// 0: unset, 2: an error.
    pub(crate) status: u64,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn number(&self) -> u64 {
        match self {
            Value::Number(number) => *number,
            Value::Bytes(_) => panic!("a number is bytes"),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            Value::Number(_) => panic!("bytes are a number"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }

    fn hexadecimal(&self) -> String {
        self.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Reads the fields of a message.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => Value::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().expect("8 bytes"))),
            2 => {
                let length = varint(&mut bytes) as usize;
                Value::Bytes(take(&mut bytes, length))
            }
            5 => Value::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4).try_into().expect("4 bytes")))),
            other => panic!("a field of the wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
    }
    panic!("a number of more than 64 bits");
}

/// Returns the messages in a field of a message.
fn within(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    fields(bytes).into_iter().filter(|(of, _)| *of == number).map(|(_, value)| value.bytes()).collect()
}

/// Reads an `ExportTraceServiceRequest`.
pub(crate) fn spans_of(request: &[u8]) -> Vec<Span> {
    let scopes = within(request, 1).into_iter().flat_map(|resource| within(resource, 2));
    scopes.flat_map(|scope| within(scope, 2)).map(span).collect()
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for (number, value) in fields(bytes) {
        match number {
            1 => span.trace = value.hexadecimal(),
            2 => span.id = value.hexadecimal(),
            4 => span.parent = value.hexadecimal(),
            5 => span.name = value.text(),
            6 => span.kind = value.number(),
            7 => span.begun = value.number(),
            8 => span.ended = value.number(),
            9 => span.attributes.extend([attribute(value.bytes())]),
            15 => {
                span.status = fields(value.bytes()).iter().find(|(of, _)| *of == 3).map_or(0, |(_, code)| code.number())
            }
            _ => {}
        }
    }
    span
}

fn attribute(bytes: &[u8]) -> (String, String) {
    let (mut name, mut text) = (String::new(), String::new());
    for (number, value) in fields(bytes) {
        match number {
            1 => name = value.text(),
            _ => {
                let any = fields(value.bytes());
                text = match any.first() {
                    Some((1, of)) => of.text(),
                    Some((_, of)) => of.number().to_string(),
                    None => String::new(),
                };
            }
        }
    }
    (name, text)
}
