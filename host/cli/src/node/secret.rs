//! `flowgate secret`.

use flowgate_api::secret::{Secret, SecretValue};
use flowgate_base::error::Result;
use flowgate_control::explain::words;

use super::args::{SecretDelete, SecretList, SecretSet};
use super::{hidden, json, limits};
use crate::error::CommandError;
use crate::{columns, terminal};

pub(super) fn set(args: &SecretSet) -> Result<()> {
    let session = args.target.session()?;
    let path = session.path(&["secrets", &args.name])?;
    let value = hidden::read(&format!("value of {}: ", args.name))?;
    if value.is_empty() {
        return Err(CommandError::Arguments("the value is empty; nothing was set".into()).into());
    }
    session.client.set(&path, &SecretValue { value })?;
    terminal::print(&format!("set {0}; jobs write ${{secret:{0}}} in its place\n", args.name))
}

pub(super) fn list(args: &SecretList) -> Result<()> {
    let session = args.target.session()?;
    let secrets: Vec<Secret> = session.client.list(&session.path(&["secrets"])?, limits::ENTRIES_MAX)?;
    if args.json {
        return json::print(&secrets);
    }
    if secrets.is_empty() {
        terminal::message("there are no secrets; `flowgate secret set NAME` sets one\n");
        return Ok(());
    }
    let row = |secret: &Secret| vec![secret.name.clone(), words::time(secret.set_ms / 1_000 * 1_000)];
    terminal::print(&columns::table(
        &["secret", "set"],
        &secrets.iter().map(row).collect::<Vec<_>>(),
        terminal::width(),
    ))
}

pub(super) fn delete(args: &SecretDelete) -> Result<()> {
    let session = args.target.session()?;
    session.client.delete(&session.path(&["secrets", &args.name])?)?;
    terminal::print(&format!("deleted the secret {}\n", args.name))
}
