//! `flowgate token`.

use flowgate_api::token::{CreatedToken, NewToken, Token};
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_control::explain::words;

use super::args::{TokenCreate, TokenList, TokenRevoke, TokensOf};
use super::session::Session;
use super::{address, limits, listing};
use crate::{columns, terminal};

/// Returns the path of the tokens of the tenant, or of the node.
fn tokens(of: &TokensOf) -> Result<(Session, String, String)> {
    let session = of.target.session()?;
    if of.of_node {
        return Ok((session, address::path(&["tokens"]), "the node".into()));
    }
    let path = session.path(&["tokens"])?;
    let tenant = session.tenant()?;
    Ok((session, path, format!("the tenant {tenant}")))
}

pub(super) fn create(args: &TokenCreate) -> Result<()> {
    let (session, path, owner) = tokens(&args.of)?;
    let expires_in_s = args.expires.map(|expires| (expires.0 / 1_000).unsigned_abs().max(1));
    let request = NewToken { name: args.name.clone(), role: args.role.into(), expires_in_s };
    let created: CreatedToken = session.client.post(&path, &request)?.value;
    let until = created.token.expires_ms.map_or_else(String::new, |at| format!(", until {}", listing::time(at)));
    terminal::message(&format!(
        "token {}: {} is {} of {owner}{until}. Keep it: it is not shown again\n",
        created.token.id,
        created.token.name,
        created.token.role.word()
    ));
    terminal::print(&format!("{}\n", created.text))
}

pub(super) fn list(args: &TokenList) -> Result<()> {
    let (session, path, owner) = tokens(&args.of)?;
    let tokens: Vec<Token> = session.client.list(&path, limits::ENTRIES_MAX)?;
    let none = format!("{owner} has no tokens; `flowgate token create NAME --role ROLE` creates one");
    listing::print(&tokens, args.json, &none, |cells| text(&tokens, clock::now_ms(), cells))
}

fn text(tokens: &[Token], now_ms: i64, cells: Option<u16>) -> String {
    let row = |token: &Token| {
        let expires = match token.expires_ms {
            None => "never".into(),
            Some(at) if at <= now_ms => "has expired".into(),
            Some(at) => format!("in {}", words::length(at - now_ms)),
        };
        let created = listing::time(token.created_ms);
        vec![token.id.clone(), token.name.clone(), token.role.word().into(), created, expires]
    };
    columns::table(&["id", "name", "role", "created", "expires"], &tokens.iter().map(row).collect::<Vec<_>>(), cells)
}

pub(super) fn revoke(args: &TokenRevoke) -> Result<()> {
    let (session, path, _) = tokens(&args.of)?;
    session.client.delete(&format!("{path}{}", &address::path(&[&args.id])["/api/v1".len()..]))?;
    terminal::print(&format!("revoked the token {}\n", args.id))
}

#[cfg(test)]
mod tests {
    use flowgate_api::token::Role;

    use super::*;

    #[test]
    fn tokens_are_listed_without_what_is_secret_in_them() {
        let token = |id: &str, expires_ms| Token {
            id: id.into(),
            name: "ci".into(),
            role: Role::Viewer,
            created_ms: 0,
            expires_ms,
        };
        let shown = text(&[token("a", None), token("b", Some(1)), token("c", Some(3_600_010))], 10, None);
        let last: Vec<&str> = shown.lines().skip(1).filter_map(|line| line.rsplit("  ").next()).collect();
        assert_eq!(last, ["never", "has expired", "in 1h"]);
    }
}
