//! Tokens: made, shown once, and recognised by their hash.
//!
//! A token is `fg_ID_SECRET`: an id of 60 random bits, and 256 random bits.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use flowgate_api::token::{CreatedToken, NewToken, Role, Token};
use sha2::{Digest, Sha256};

use crate::catalog::{Catalog, CatalogError, TokenRecord};
use flowgate_base::random;

/// The beginning of every token, by which tools find those that were committed by mistake.
const PREFIX: &str = "fg_";
/// Characters of an id.
const ID_CHARS: usize = 12;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The id of the token.
    pub(crate) id: String,
    /// The name of the token.
    pub(crate) name: String,
    /// The tenant; absent: the node itself.
    pub(crate) tenant: Option<String>,
    pub(crate) role: Role,
    pub(crate) expires_ms: Option<i64>,
}

impl Principal {
    /// Whether it may see a tenant.
    pub(crate) fn sees(&self, tenant: &str) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant)
    }

    /// Whether it is an administrator of the node.
    pub(crate) fn is_node_admin(&self) -> bool {
        self.tenant.is_none() && self.role == Role::Admin
    }
}

/// Makes a token, which is not in the catalog yet.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn make(
    tenant: Option<&str>,
    request: &NewToken,
    now_ms: i64,
) -> flowgate_base::error::Result<(TokenRecord, CreatedToken)> {
    let id = BASE32_NOPAD.encode(&random::bytes::<8>()?).to_ascii_lowercase();
    let id = id.get(..ID_CHARS).unwrap_or(&id).to_string();
    let text = format!("{PREFIX}{id}_{}", BASE64URL_NOPAD.encode(&random::bytes::<32>()?));
    let life_ms = request.expires_in_s.map(|s| i64::try_from(s.saturating_mul(1_000)).unwrap_or(i64::MAX));
    let expires_ms = life_ms.map(|life| now_ms.saturating_add(life));
    let record = TokenRecord {
        tenant: tenant.map(String::from),
        name: request.name.clone(),
        role: request.role,
        hash: hash(&text),
        created_ms: now_ms,
        expires_ms,
    };
    let token = shown(&id, &record);
    Ok((record, CreatedToken { token, text }))
}

/// Returns what is shown of a token.
pub(crate) fn shown(id: &str, record: &TokenRecord) -> Token {
    Token {
        id: id.into(),
        name: record.name.clone(),
        role: record.role,
        created_ms: record.created_ms,
        expires_ms: record.expires_ms,
    }
}

/// Returns whose token it is; `None` for one that is unknown, forged, revoked or expired, all in the same time.
pub(crate) fn recognise(catalog: &Catalog, text: &str, now_ms: i64) -> Result<Option<Principal>, CatalogError> {
    let id = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).map_or("", |(id, _)| id);
    let found = catalog.read(|view| view.get::<TokenRecord>(id))?;
    let given = hash(text);
    // Hashes are compared, not tokens: how far two of them agree says nothing about the token.
    let known = found.as_ref().map_or("", |record| record.hash.as_str());
    let same = equal_in_constant_time(known.as_bytes(), given.as_bytes());
    Ok(found.filter(|record| same && is_in_time(record, now_ms)).map(|record| Principal {
        id: id.into(),
        name: record.name,
        tenant: record.tenant,
        role: record.role,
        expires_ms: record.expires_ms,
    }))
}

/// Whether a token is still somebody's: not revoked, and not expired. What goes on for long asks again.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) fn is_valid(catalog: &Catalog, principal: &Principal, now_ms: i64) -> Result<bool, CatalogError> {
    let found = catalog.read(|view| view.get::<TokenRecord>(&principal.id))?;
    Ok(found.is_some_and(|record| is_in_time(&record, now_ms)))
}

fn is_in_time(record: &TokenRecord, now_ms: i64) -> bool {
    record.expires_ms.is_none_or(|at| now_ms < at)
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// Compares without a hint at the place of the first difference.
fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differs, (l, r)| differs | (l ^ r)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_until_it_expires_or_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("c")).unwrap();
        let request = NewToken { name: "laptop".into(), role: Role::Operator, expires_in_s: Some(10) };
        let (record, created) = make(Some("acme"), &request, 1_000).unwrap();
        catalog.change(|change| change.put(&created.token.id, &record)).unwrap();
        assert!(!format!("{record:?}").contains(&created.text), "the text is not kept");
        let at = |text: &str, now_ms| recognise(&catalog, text, now_ms).unwrap();
        let principal = at(&created.text, 10_999).unwrap();
        let still = |now_ms| is_valid(&catalog, &principal, now_ms).unwrap();
        assert_eq!((still(10_999), still(11_000)), (true, false));
        assert_eq!((principal.tenant.as_deref(), principal.role), (Some("acme"), Role::Operator));
        assert_eq!(at(&created.text, 11_000), None, "expired");
        let mut forged = created.text.clone();
        forged.pop();
        for forged in
            [forged.clone(), format!("{forged}!"), format!("fg_{}_", created.token.id), String::new(), "fg__".into()]
        {
            assert_eq!(at(&forged, 1_000), None, "{forged}");
        }
        catalog.change(|change| change.remove::<TokenRecord>(&created.token.id)).unwrap();
        assert_eq!(at(&created.text, 1_000), None, "revoked");
        assert!(!still(1_000), "revoked");
    }

    /// Mutations of tokens that are there: characters changed, lost, doubled and swapped, parts of two tokens together, odd bytes.
    #[test]
    fn a_hundred_thousand_mutated_tokens_are_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("c")).unwrap();
        let request = NewToken { name: "laptop".into(), role: Role::Admin, expires_in_s: None };
        let texts: Vec<Vec<u8>> = (0..20)
            .map(|_| {
                let (record, created) = make(Some("acme"), &request, 0).unwrap();
                catalog.change(|change| change.put(&created.token.id, &record)).unwrap();
                created.text.into_bytes()
            })
            .collect();
        let mut seed = 1u64;
        let mut below = |end: usize| {
            // Knuth's MMIX generator: the tests repeat.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % end
        };
        for _ in 0..100_000 {
            let mut text = texts[below(texts.len())].clone();
            for _ in 0..=below(3) {
                let (at, other) = (below(text.len()), below(text.len()));
                match below(7) {
                    0 => text[at] ^= 1 << below(7),
                    1 => text[at] = b"-_aA0/+= \0"[below(10)],
                    2 => _ = text.remove(at),
                    3 => text.insert(at, text[other]),
                    4 => text.swap(at, other),
                    5 => text.truncate(at.max(1)),
                    _ => text = [&text[..at], &texts[below(texts.len())][at.min(50)..]].concat(),
                }
                if text.is_empty() {
                    text.push(b'f');
                }
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            let is_one = texts.iter().any(|known| known == text.as_bytes());
            assert_eq!(recognise(&catalog, &text, 1).unwrap().is_some(), is_one, "{text:?}");
        }
    }

    #[test]
    fn a_node_token_sees_all_tenants_and_another_its_own() {
        let of = |tenant: Option<&str>, role| Principal {
            id: String::new(),
            name: String::new(),
            tenant: tenant.map(String::from),
            role,
            expires_ms: None,
        };
        assert!(of(None, Role::Admin).sees("x") && of(None, Role::Admin).is_node_admin());
        assert!(of(Some("x"), Role::Admin).sees("x") && !of(Some("x"), Role::Admin).is_node_admin());
        assert!(!of(Some("x"), Role::Admin).sees("y"));
    }
}
