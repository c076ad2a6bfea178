//! `flowgate tenant`.

use flowgate_api::grants::Grants;
use flowgate_api::quota::TABLE;
use flowgate_api::tenant::{Tenant, TenantChange};
use flowgate_base::error::Result;
use flowgate_base::quantity::Bytes;

use super::args::{Shown, TenantCreate, TenantNamed, TenantSet, TenantShow};
use super::login_file::Login;
use super::session::Session;
use super::{address, json, limits, listing, tenant_flags};
use crate::error::CommandError;
use crate::{columns, terminal};

pub(super) fn create(args: &TenantCreate) -> Result<()> {
    let session = args.target.session()?;
    let mut grants = Grants::default();
    args.grants.apply(&mut grants);
    let request = serde_json::json!({ "name": args.name, "quotas": args.quotas.request()?, "grants": grants });
    let created: Tenant = session.client.post(&address::path(&["tenants"]), &request)?.value;
    terminal::print(&format!("created the tenant {}\n", created.name))?;
    if session.names_tenant() || session.login.is_none() {
        return Ok(());
    }
    use_from_now_on(&session, &created.name)
}

pub(super) fn list(args: &Shown) -> Result<()> {
    let session = args.target.session()?;
    let tenants: Vec<Tenant> = session.client.list(&address::path(&["tenants"]), limits::ENTRIES_MAX)?;
    let row = |of: &Tenant| {
        let quotas = &of.quotas;
        vec![
            of.name.clone(),
            listing::time(of.created_ms),
            quotas.jobs.to_string(),
            Bytes(quotas.memory_bytes).to_string(),
            quotas.cpu_cores.to_string(),
            grants(&of.grants),
        ]
    };
    let head = ["tenant", "created", "jobs", "memory", "cores", "grants"];
    let none = "there is no tenant; `flowgate tenant create NAME` creates one";
    listing::print(&tenants, args.json, none, |cells| {
        columns::table(&head, &tenants.iter().map(row).collect::<Vec<_>>(), cells)
    })
}

pub(super) fn show(args: &TenantShow) -> Result<()> {
    let session = args.shown.target.session()?;
    let tenant: Tenant = session.client.get(&of(&session, args.name.as_deref())?)?;
    if args.shown.json {
        return json::print(&tenant);
    }
    terminal::print(&text(&tenant, terminal::width()))
}

fn text(tenant: &Tenant, cells: Option<u16>) -> String {
    let created = listing::time(tenant.created_ms);
    let mut text = format!("{}: created {created}\n\n", tenant.name);
    let rows: Vec<Vec<String>> = TABLE
        .iter()
        .zip(tenant.quotas.values())
        .map(|(about, value)| {
            let default = if value == about.default { "default" } else { "" };
            vec![about.name.into(), figure(about.unit, value), about.unit.into(), default.into(), about.what.into()]
        })
        .collect();
    text += &columns::table(&["quota", "value", "unit", "", "what is counted"], &rows, cells);
    let lists = [
        ("connectors", &tenant.grants.connectors),
        ("read", &tenant.grants.read),
        ("write", &tenant.grants.write),
        ("connect", &tenant.grants.connect),
    ];
    let rows: Vec<Vec<String>> = lists
        .iter()
        .flat_map(|(what, grants)| grants.iter().map(|grant| vec![(*what).into(), grant.clone()]))
        .collect();
    text.push('\n');
    text += &match rows.is_empty() {
        true => "its jobs may touch nothing outside of themselves\n".into(),
        false => columns::table(&["grant", "of"], &rows, cells),
    };
    text
}

/// Returns a value as people write it.
pub(super) fn figure(unit: &str, value: f64) -> String {
    if unit == "bytes" { Bytes(value as u64).to_string() } else { value.to_string() }
}

pub(super) fn set(args: &TenantSet) -> Result<()> {
    let session = args.target.session()?;
    if args.quotas.is_empty() && args.grants.is_empty() && args.revoke.is_empty() {
        let message = "nothing is to be changed; name a quota or a grant, as in --jobs 20";
        return Err(CommandError::Arguments(message.into()).into());
    }
    let path = address::path(&["tenants", &args.name]);
    let mut tenant: Tenant = session.client.get(&path)?;
    args.quotas.apply(&mut tenant.quotas)?;
    tenant_flags::revoke(&mut tenant.grants, &args.revoke)?;
    args.grants.apply(&mut tenant.grants);
    let change = TenantChange {
        quotas: (!args.quotas.is_empty()).then_some(tenant.quotas),
        grants: (!args.grants.is_empty() || !args.revoke.is_empty()).then_some(tenant.grants),
    };
    let changed: Tenant = session.client.patch(&path, &change)?;
    terminal::print(&format!("changed the tenant {}; running jobs have it from their next attempt on\n", changed.name))
}

pub(super) fn delete(args: &TenantNamed) -> Result<()> {
    let session = args.target.session()?;
    session.client.delete(&address::path(&["tenants", &args.name]))?;
    terminal::print(&format!("deleted the tenant {}\n", args.name))
}

pub(super) fn use_tenant(args: &TenantNamed) -> Result<()> {
    let session = args.target.session()?;
    let tenant: Tenant = session.client.get(&address::path(&["tenants", &args.name]))?;
    if session.login.is_none() {
        let message = "the token is from FLOWGATE_TOKEN: FLOWGATE_TENANT says which tenant commands are about";
        return Err(CommandError::Arguments(message.into()).into());
    }
    use_from_now_on(&session, &tenant.name)
}

fn use_from_now_on(session: &Session, tenant: &str) -> Result<()> {
    if let Some((place, login)) = &session.login {
        place.write(&Login { tenant: Some(tenant.into()), ..login.clone() })?;
        terminal::print(&format!("commands are about the tenant {tenant} from now on\n"))?;
    }
    Ok(())
}

/// Returns the path of the named tenant, or of the present one.
pub(super) fn of(session: &Session, name: Option<&str>) -> Result<String> {
    match name {
        Some(name) => Ok(address::path(&["tenants", name])),
        None => session.path(&[]),
    }
}

fn grants(of: &Grants) -> String {
    let all = [&of.connectors, &of.read, &of.write, &of.connect];
    all.iter().flat_map(|list| list.iter().cloned()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use flowgate_api::quota::Quotas;

    use super::*;

    #[test]
    fn a_tenant_is_shown_with_every_quota_and_grant() {
        let grants = Grants { connect: vec!["api.example.com:443".into()], ..Grants::default() };
        let quotas = Quotas { jobs: 3, ..Quotas::default() };
        let shown = text(&Tenant { name: "acme".into(), created_ms: 0, quotas, grants }, None);
        for about in TABLE {
            assert!(shown.contains(about.name), "{}: {shown}", about.name);
        }
        let jobs = shown.lines().find(|line| line.starts_with("jobs ")).unwrap();
        assert!(jobs.contains('3') && !jobs.contains("default"), "{jobs}");
        assert!(shown.contains("connect  api.example.com:443"), "{shown}");
        assert!(shown.contains("2GiB"), "{shown}");
    }
}
