//! `flowgate secret`.

use flowgate_api::secret::{Secret, SecretValue};
use flowgate_base::error::Result;

use super::args::{SecretNamed, Shown};
use super::{hidden, limits, listing};
use crate::error::CommandError;
use crate::{columns, terminal};

pub(super) fn set(args: &SecretNamed) -> Result<()> {
    let session = args.target.session()?;
    let path = session.path(&["secrets", &args.name])?;
    let value = hidden::read(&format!("value of {}: ", args.name))?;
    if value.is_empty() {
        return Err(CommandError::Arguments("the value is empty; nothing was set".into()).into());
    }
    session.client.set(&path, &SecretValue { value })?;
    terminal::print(&format!("set {0}; jobs write ${{secret:{0}}} in its place\n", args.name))
}

pub(super) fn list(args: &Shown) -> Result<()> {
    let session = args.target.session()?;
    let secrets: Vec<Secret> = session.client.list(&session.path(&["secrets"])?, limits::ENTRIES_MAX)?;
    let row = |secret: &Secret| vec![secret.name.clone(), listing::time(secret.set_ms)];
    let none = "there are no secrets; `flowgate secret set NAME` sets one";
    listing::print(&secrets, args.json, none, |cells| {
        columns::table(&["secret", "set"], &secrets.iter().map(row).collect::<Vec<_>>(), cells)
    })
}

pub(super) fn delete(args: &SecretNamed) -> Result<()> {
    let session = args.target.session()?;
    session.client.delete(&session.path(&["secrets", &args.name])?)?;
    terminal::print(&format!("deleted the secret {}\n", args.name))
}
