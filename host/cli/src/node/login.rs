//! `flowgate login`, `flowgate logout`, `flowgate whoami`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use flowgate_api::Whoami;
use flowgate_api::tenant::Tenant;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_control::explain::words;

use super::args::Shown;
use super::client::Client;
use super::login_file::{Login, LoginFile};
use super::{address, hidden, json};
use crate::error::CommandError;
use crate::terminal;

pub(crate) const LOGIN_EXAMPLES: &str = "\
Examples:
  flowgate login http://127.0.0.1:7070                # asks for the token
  flowgate login https://node.example.com --tenant acme
  flowgate login https://node.internal --ca ca.pem --token-stdin < token.txt

The token is kept in `flowgate/node.json` in the folder for settings (XDG_CONFIG_HOME, or ~/.config), which nobody else can read. \
From then on, `flowgate job` means the jobs of the node; `--local` means those of this machine.";

pub(crate) const LOGOUT_EXAMPLES: &str = "\
Examples:
  flowgate logout

The token stays valid; `flowgate token revoke` ends it.";

pub(crate) const WHOAMI_EXAMPLES: &str = "\
Examples:
  flowgate whoami
  FLOWGATE_NODE=https://node.example.com FLOWGATE_TOKEN=... flowgate whoami --json | jq -r .role";

/// Arguments of `flowgate login`.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The address of the node.
    #[arg(value_parser = address::check, value_hint = ValueHint::Url)]
    url: String,
    /// Read the token from standard input instead of asking for it.
    #[arg(long)]
    token_stdin: bool,
    /// The tenant that commands are about. Needed for a token of the node itself only.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// The certificates that sign the node's, in PEM [default: those that the system trusts].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,
}

fn place() -> Result<LoginFile> {
    LoginFile::of(&|name| std::env::var(name).ok())
}

/// Checks a token and keeps it.
pub(super) fn login(args: &LoginArgs) -> Result<()> {
    let place = place()?;
    let ca = args.ca.as_ref().map(std::path::absolute).transpose();
    let ca = ca.map_err(|e| Error::io("cannot find the current folder", &e))?;
    if address::is_open(&args.url) {
        terminal::message("warning: whoever sees the network can read the token: the address is not https\n");
    }
    let token = if args.token_stdin {
        hidden::piped()?
    } else if io::stdin().is_terminal() {
        hidden::read(&format!("token for {}: ", args.url))?
    } else {
        let message = "there is no terminal to ask for the token; with --token-stdin it is read from standard input";
        return Err(CommandError::Arguments(message.into()).into());
    };
    let token = token.trim().to_string();
    let client = Client::new(&args.url, &token, ca.as_deref())?;
    let who: Whoami = client.get(&address::path(&["whoami"]))?;
    let tenant = match (&who.tenant, &args.tenant) {
        (Some(own), Some(named)) if own != named => {
            let message = format!("the token belongs to the tenant `{own}`, not to `{named}`");
            return Err(CommandError::Arguments(message).into());
        }
        (Some(own), _) => Some(own.clone()),
        (None, Some(named)) => Some(client.get::<Tenant>(&address::path(&["tenants", named]))?.name),
        (None, None) => None,
    };
    place.write(&Login { url: args.url.clone(), token, tenant: tenant.clone(), ca })?;
    terminal::print(&format!("logged in to {} as {}\n", args.url, sentence(&who, clock::now_ms())))?;
    match tenant {
        Some(tenant) if who.tenant.is_none() => terminal::print(&format!("commands are about the tenant {tenant}\n")),
        Some(_) => Ok(()),
        None => terminal::print(
            "the token belongs to the node: `flowgate tenant create NAME` or `flowgate tenant use NAME` says which tenant \
             commands are about\n",
        ),
    }
}

/// Returns who a token belongs to: `ci: operator of the tenant acme, for 2h more`.
fn sentence(who: &Whoami, now_ms: i64) -> String {
    let of = who.tenant.as_deref().map_or_else(|| "the node".into(), |tenant| format!("the tenant {tenant}"));
    let until = match who.expires_ms {
        Some(at) => format!(", for {} more", words::length(at.saturating_sub(now_ms))),
        None => String::new(),
    };
    format!("{}: {} of {of}{until}", who.token, who.role.word())
}

/// Forgets the token.
pub(super) fn logout() -> Result<()> {
    let place = place()?;
    let message = if place.remove()? {
        "logged out; the token stays valid until it is revoked\n"
    } else {
        "there was no login\n"
    };
    terminal::message(message);
    Ok(())
}

/// Says who is logged in, and where.
pub(super) fn whoami(args: &Shown) -> Result<()> {
    let session = args.target.session()?;
    let who: Whoami = session.client.get(&address::path(&["whoami"]))?;
    if args.json {
        return json::print(&who);
    }
    let mut text =
        format!("{} (Flowgate {})\n{}\n", session.client.url(), who.version, sentence(&who, clock::now_ms()));
    if who.tenant.is_none() && session.names_tenant() {
        text += &format!("commands are about the tenant {}\n", session.tenant()?);
    }
    terminal::print(&text)
}

#[cfg(test)]
mod tests {
    use flowgate_api::token::Role;

    use super::*;

    #[test]
    fn who_somebody_is_fits_in_a_line() {
        let who = |tenant: Option<&str>, expires_ms| Whoami {
            version: "0.1.0".into(),
            token: "ci".into(),
            tenant: tenant.map(String::from),
            role: Role::Operator,
            expires_ms,
        };
        assert_eq!(sentence(&who(Some("acme"), None), 0), "ci: operator of the tenant acme");
        assert_eq!(sentence(&who(None, Some(7_200_000)), 0), "ci: operator of the node, for 2h more");
    }
}
