//! Manifests as bytes: JSON with a checksum of its own, at the front, so that any JSON tool reads it and every change is found.

use serde::{Deserialize, Serialize};

use flowgate_base::error::{Error, Result};

use crate::block;
use crate::checksum::Checksum;
use crate::error::CheckpointError;
use crate::limits::MANIFEST_BYTES_MAX;
use crate::manifest::{Checkpoint, DataFile, Manifest};
use crate::name::Name;
use crate::parquet_file;

/// The version of manifests that is written, and the only one that is read.
pub(crate) const VERSION: u64 = 1;

const BEFORE_SUM: &[u8] = b"{\"xxh3\":\"";
const BEHIND_SUM: &[u8] = b"\",";
/// Where the bytes that are in the checksum begin.
const HEAD: usize = BEFORE_SUM.len() + 16 + BEHIND_SUM.len();

#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

/// What is read first: a later version may have any other fields.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// Encodes a manifest.
///
/// # Errors
/// It exceeds [`MANIFEST_BYTES_MAX`].
pub(crate) fn encode(manifest: &Manifest) -> Result<Vec<u8>> {
    let mut bytes = vec![b' '; HEAD];
    serde_json::to_writer(&mut bytes, &Written { version: VERSION, manifest })
        .map_err(|e| Error::internal(format!("a manifest cannot be encoded: {e}")))?;
    bytes.push(b'\n');
    // The brace of the object is in front of the checksum.
    bytes.remove(HEAD);
    if bytes.len() > MANIFEST_BYTES_MAX {
        let what = format!("manifest {}", manifest.number);
        return Err(CheckpointError::TooLarge { what, size: bytes.len() as u64, max: MANIFEST_BYTES_MAX as u64 }.into());
    }
    let sum = Checksum::of(&bytes[HEAD..]).to_string();
    bytes[..BEFORE_SUM.len()].copy_from_slice(BEFORE_SUM);
    bytes[BEFORE_SUM.len()..HEAD - BEHIND_SUM.len()].copy_from_slice(sum.as_bytes());
    bytes[HEAD - BEHIND_SUM.len()..HEAD].copy_from_slice(BEHIND_SUM);
    Ok(bytes)
}

/// Decodes the manifest with this number.
///
/// # Errors
/// The bytes are not those that were written, or of another version.
pub(crate) fn decode(number: u64, bytes: &[u8]) -> Result<Manifest> {
    let object = Name::Manifest { number }.to_string();
    let damaged = |reason: String| Error::from(CheckpointError::damaged(object.clone(), reason));
    let head = bytes.get(..HEAD).ok_or_else(|| damaged(format!("it ends after {} bytes", bytes.len())))?;
    let rest = &bytes[HEAD..];
    let sum = &head[BEFORE_SUM.len()..HEAD - BEHIND_SUM.len()];
    if !head.starts_with(BEFORE_SUM) || !head.ends_with(BEHIND_SUM) {
        return Err(damaged("it does not begin as a manifest does".into()));
    }
    if sum != Checksum::of(rest).to_string().as_bytes() {
        return Err(damaged("its checksum differs".into()));
    }
    let text = [b"{", rest].concat();
    let parsed = |e: serde_json::Error| damaged(format!("its content is not valid: {e}"));
    let Versioned { version } = serde_json::from_slice(&text).map_err(parsed)?;
    if version != VERSION {
        return Err(CheckpointError::Version { object, found: version, read: VERSION }.into());
    }
    let manifest = without_version(&text).map_err(parsed)?;
    if manifest.number != number {
        return Err(damaged(format!("it has the number {}", manifest.number)));
    }
    if let Some(checkpoint) = manifest.checkpoint() {
        validate(checkpoint).map_err(damaged)?;
    }
    Ok(manifest)
}

/// Unknown fields are refused, and the version is not one of a manifest's.
fn without_version(text: &[u8]) -> serde_json::Result<Manifest> {
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(text)?;
    object.shift_remove("version");
    serde_json::from_value(object.into())
}

/// Checks what the readers of data files rely on. Returns what is wrong.
fn validate(checkpoint: &Checkpoint) -> std::result::Result<(), String> {
    if checkpoint.key_groups == 0 || checkpoint.key_groups > 1 << 16 {
        return Err(format!("a job with {} key groups", checkpoint.key_groups));
    }
    for file in &checkpoint.files {
        validate_file(file, checkpoint.key_groups).map_err(|reason| format!("file {}: {reason}", file.path))?;
    }
    Ok(())
}

fn validate_file(file: &DataFile, key_groups: u32) -> std::result::Result<(), String> {
    if !matches!(Name::parse(&file.path), Some(Name::File { .. })) {
        return Err("its name is not one of a data file".into());
    }
    let mut end = if file.is_parquet() { parquet_file::HEAD_BYTES } else { block::HEAD_BYTES };
    for (index, block) in file.blocks.iter().enumerate() {
        let known = (block.slot as usize) < file.slots.len();
        let groups = block.groups.0 <= block.groups.1 && u32::from(block.groups.1) < key_groups;
        if !known || !groups || block.offset != end {
            return Err(format!("block {index} has another place, slot or key group than it can have"));
        }
        end = end.checked_add(block.length).ok_or("its blocks have more bytes than can be")?;
    }
    if let Some(footer) = &file.footer {
        if footer.offset != end {
            return Err("its footer is not behind the last block".into());
        }
        end = end.checked_add(footer.length).ok_or("its footer has more bytes than can be")?;
    }
    if file.bytes == end { Ok(()) } else { Err(format!("it has {} bytes, its parts {end}", file.bytes)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::manifest::{FunctionRecord, OperatorRecord, Record, SplitRecord};
    use crate::name::AttemptId;

    fn manifest() -> Manifest {
        let checkpoint = Checkpoint {
            tick: 1_700_000_000_000,
            key_groups: 256,
            parallelism: 2,
            operators: vec![OperatorRecord {
                name: "per_page".into(),
                fingerprint: json!({"pane": "5s"}),
                scalars: vec![json!({"watermark": 17.25}), json!(null)],
                functions: vec![FunctionRecord {
                    plugin: "weblog".into(),
                    function: "parse".into(),
                    sha256: "ab".repeat(32),
                }],
            }],
            sources: BTreeMap::from([(
                "lines".into(),
                vec![SplitRecord {
                    split: "access.log".into(),
                    position: Some(json!({"offset": 9007199254740993u64})),
                    event_time: Some(json!({"greatest": -1})),
                    ended: true,
                }],
            )]),
            sinks: BTreeMap::from([("out".into(), vec![json!("part \u{1F980} 7")])]),
            ..Checkpoint::default()
        };
        Manifest {
            number: 3,
            job: "keyed-count".into(),
            attempt: AttemptId(0xab),
            time_ms: 5,
            passed: false,
            record: Record::Checkpoint(Box::new(checkpoint)),
        }
    }

    #[test]
    fn a_manifest_reads_back_and_is_json() {
        let manifest = manifest();
        let bytes = encode(&manifest).unwrap();
        assert_eq!(decode(3, &bytes).unwrap(), manifest);
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&json["version"], &json["attempt"]), (&json!(1), &json!("00000000000000ab")));
        assert_eq!(bytes.last(), Some(&b'\n'));
    }

    /// Goal: nothing that is not exactly what was written is read. Method: every single-bit flip, every truncation, bytes behind the end.
    #[test]
    fn every_bit_flip_and_truncation_is_found() {
        let bytes = encode(&manifest()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(3, &flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decode(3, &bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(decode(3, &[&bytes[..], b"\n"].concat()).is_err());
    }

    /// Replaces text in a manifest and gives it the right checksum.
    fn changed(from: &str, to: &str) -> Vec<u8> {
        let text = String::from_utf8(encode(&manifest()).unwrap()).unwrap();
        assert!(text.contains(from), "{text}");
        let rest = text[HEAD..].replacen(from, to, 1);
        format!("{{\"xxh3\":\"{}\",{rest}", Checksum::of(rest.as_bytes())).into_bytes()
    }

    #[test]
    fn another_version_is_refused_politely() {
        let error = decode(3, &changed("\"version\":1", "\"version\":2,\"new\":true")).unwrap_err();
        let name = "manifest-00000000000000000003.json";
        assert_eq!(error.to_string(), format!("{name} has version 2; this Flowgate reads version 1"));
    }

    #[test]
    fn unknown_fields_and_other_numbers_are_refused() {
        for (from, to) in [
            ("\"tick\"", "\"more\":1,\"tick\""),
            ("\"number\"", "\"more\":1,\"number\""),
            ("\"number\":3", "\"number\":4"),
            ("\"key_groups\":256", "\"key_groups\":0"),
            ("\"files\":[]", "\"files\":[{\"path\":\"../x\",\"bytes\":16,\"slots\":[],\"blocks\":[]}]"),
        ] {
            let error = decode(3, &changed(from, to)).unwrap_err();
            assert_eq!(error.code, &crate::code::DAMAGED, "{to}: {error}");
        }
    }
}
