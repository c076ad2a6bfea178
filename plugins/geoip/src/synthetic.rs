//! Writes small databases of made-up content.
//!
//! A database is: the tree, 16 zero bytes, the data section, a marker, the metadata. The tree is an array of nodes of two
//! records each; a record is the number of a node, `node_count` for nothing, or `node_count + 16` plus an offset into the data.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// A network: its address, the number of its significant bits, and its country, if it has one.
pub(crate) type Network<'a> = (IpAddr, u32, Option<&'a str>);

#[derive(Debug, Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    Data(usize),
}

/// Returns the file of a database with these networks, the later ones within the earlier ones. Records have 24, 28 or 32 bits; a
/// database of IPv4 accepts no network of IPv6.
pub(crate) fn database(networks: &[Network<'_>], record_bits: usize, is_v6: bool) -> Vec<u8> {
    let mut data = Data { section: Vec::new(), known: BTreeMap::new(), code_name: None };
    let mut nodes = vec![[Record::Nothing; 2]];
    for (address, prefix, country) in networks {
        let (bits, prefix) = match address {
            IpAddr::V4(v4) if is_v6 => (u128::from(v4.to_bits()), prefix + 96),
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, *prefix),
            IpAddr::V6(v6) => {
                assert!(is_v6, "a database of IPv4 has no network of IPv6");
                (v6.to_bits(), *prefix)
            }
        };
        assert!(prefix > 0, "the network of all addresses is no record");
        let record = Record::Data(data.country(*country));
        let mut node = 0;
        for bit in 0..prefix - 1 {
            let side = (bits >> (127 - bit) & 1) as usize;
            node = match nodes[node][side] {
                Record::Node(next) => next,
                // A country of the whole now is that of both halves.
                whole => {
                    nodes.push([whole; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][side] = Record::Node(next);
                    next
                }
            };
        }
        nodes[node][(bits >> (127 - (prefix - 1)) & 1) as usize] = record;
    }
    let nodes: Vec<_> = nodes.iter().map(|node| node.map(|record| number(record, nodes.len()))).collect();
    file_of(&nodes, &data.section, record_bits, is_v6)
}

/// Returns the file of these nodes and this data.
pub(crate) fn file_of(nodes: &[[u32; 2]], data: &[u8], record_bits: usize, is_v6: bool) -> Vec<u8> {
    let mut file = Vec::new();
    for node in nodes {
        write_node(*node, record_bits, &mut file);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    file.extend(metadata(nodes.len(), record_bits, is_v6));
    file
}

fn number(record: Record, nodes: usize) -> u32 {
    let number = match record {
        Record::Nothing => nodes,
        Record::Node(node) => node,
        Record::Data(offset) => nodes + 16 + offset,
    };
    u32::try_from(number).expect("a small database")
}

fn write_node([left, right]: [u32; 2], record_bits: usize, file: &mut Vec<u8>) {
    let most = u32::MAX >> (32 - record_bits);
    assert!(left <= most && right <= most, "records of more bits are needed");
    let (a, b) = (left.to_be_bytes(), right.to_be_bytes());
    match record_bits {
        24 => file.extend([a[1], a[2], a[3], b[1], b[2], b[3]]),
        28 => file.extend([a[1], a[2], a[3], a[0] << 4 | b[0], b[1], b[2], b[3]]),
        32 => file.extend([a, b].concat()),
        other => panic!("records have 24, 28 or 32 bits, not {other}"),
    }
}

/// The data section, which contains each country once.
struct Data {
    section: Vec<u8>,
    known: BTreeMap<Option<String>, usize>,
    /// The offset of the name `iso_code`.
    code_name: Option<usize>,
}

impl Data {
    /// Returns the offset of a country's data. There are values of every type before it, the country is behind a pointer, and so
    /// is the name of its code from the second on: as in real databases, and more.
    fn country(&mut self, country: Option<&str>) -> usize {
        if let Some(offset) = self.known.get(&country.map(String::from)) {
            return *offset;
        }
        let mut map = Vec::new();
        let place = country.map(|country| {
            let offset = self.section.len();
            self.section.extend(head(7, 2));
            text("geoname_id", &mut self.section);
            self.section.extend([head(6, 4), vec![0, 0, 1, 2]].concat());
            match self.code_name {
                None => {
                    self.code_name = Some(self.section.len());
                    text("iso_code", &mut self.section);
                }
                Some(place) => self.section.extend(pointer(place)),
            }
            text(country, &mut self.section);
            offset
        });
        let offset = self.section.len();
        map.extend(head(7, 2 + usize::from(place.is_some())));
        text("all", &mut map);
        map.extend(head(11, 10));
        for (kind, bytes) in [(3, 8), (4, 300), (5, 1), (6, 0), (8, 2), (9, 8), (10, 16), (15, 4)] {
            // For doubles and floats, the size is that of the type.
            map.extend(head(kind, bytes));
            map.extend(vec![7; bytes]);
        }
        map.extend(head(14, 1));
        map.extend(head(7, 1));
        text("deep", &mut map);
        map.extend(head(11, 0));
        text("registered_country", &mut map);
        map.extend(head(7, 0));
        if let Some(place) = place {
            text("country", &mut map);
            map.extend(pointer(place));
        }
        self.section.extend(map);
        self.known.insert(country.map(String::from), offset);
        offset
    }
}

fn metadata(nodes: usize, record_bits: usize, is_v6: bool) -> Vec<u8> {
    let mut out = head(7, 6);
    text("description", &mut out);
    out.extend(head(7, 1));
    text("en", &mut out);
    text("Made up countries, for tests of Flowgate", &mut out);
    text("database_type", &mut out);
    text("Flowgate-Synthetic-Country", &mut out);
    for (name, kind, value) in [
        ("binary_format_major_version", 5, 2),
        ("node_count", 6, nodes),
        ("record_size", 5, record_bits),
        ("ip_version", 5, if is_v6 { 6 } else { 4 }),
    ] {
        text(name, &mut out);
        let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        out.extend(head(kind, bytes.len()));
        out.extend(bytes);
    }
    out
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend(head(2, text.len()));
    out.extend(text.as_bytes());
}

/// Returns the control bytes of a value.
fn head(kind: u8, size: usize) -> Vec<u8> {
    let (low, more) = match size {
        0..29 => (size as u8, vec![]),
        29..285 => (29, vec![(size - 29) as u8]),
        _ => (30, u16::try_from(size - 285).expect("a small value").to_be_bytes().to_vec()),
    };
    let mut head = if kind < 8 { vec![kind << 5 | low] } else { vec![low, kind - 7] };
    head.extend(more);
    head
}

/// Returns a pointer to an offset of the data section, in each of its four lengths.
pub(crate) fn pointer(to: usize) -> Vec<u8> {
    let bytes = (to as u32).to_be_bytes();
    match to {
        0..2_048 => vec![1 << 5 | bytes[2], bytes[3]],
        2_048..526_336 => {
            let bytes = (to as u32 - 2_048).to_be_bytes();
            vec![1 << 5 | 1 << 3 | bytes[1], bytes[2], bytes[3]]
        }
        526_336..134_744_064 => {
            let bytes = (to as u32 - 526_336).to_be_bytes();
            vec![1 << 5 | 2 << 3 | bytes[0], bytes[1], bytes[2], bytes[3]]
        }
        _ => [vec![1 << 5 | 3 << 3], bytes.to_vec()].concat(),
    }
}
