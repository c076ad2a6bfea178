//! Which node and tenant a command is about.
//!
//! In order: arguments, the environment (`FLOWGATE_NODE`, `FLOWGATE_TOKEN`, `FLOWGATE_TENANT`), the login. A token that was kept for
//! one node is sent to no other.

use std::path::PathBuf;

use clap::Args;
use flowgate_api::Whoami;
use flowgate_base::error::Result;

use super::address;
use super::client::Client;
use super::error::NodeError;
use super::login_file::{Login, LoginFile};
use crate::error::CommandError;

/// The node and the tenant that a command is about.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Target {
    /// The node [default: FLOWGATE_NODE, or that of `flowgate login`].
    #[arg(long, value_name = "URL", help_heading = "Node", value_parser = address::check)]
    pub(crate) node: Option<String>,
    /// The tenant [default: FLOWGATE_TENANT, that of the token, or that of `flowgate tenant use`].
    #[arg(long, value_name = "TENANT", help_heading = "Node")]
    pub(crate) tenant: Option<String>,
}

/// Whether jobs of a node are meant, or those of this machine.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Where {
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
    /// Jobs that run on this machine without a node, although there is a login to one.
    #[arg(long, help_heading = "Node", conflicts_with_all = ["node", "tenant"])]
    pub(crate) local: bool,
}

/// A node as somebody sees it.
pub(crate) struct Session {
    pub(super) client: Client,
    /// The tenant, where one is named.
    tenant: Option<String>,
    /// Where the login is, if the token is from it.
    pub(super) login: Option<(LoginFile, Login)>,
}

impl Where {
    /// Returns the node to ask; `None`: the jobs of this machine are meant.
    ///
    /// # Errors
    /// The login cannot be read, or there is a node and no token.
    pub(crate) fn node(&self) -> Result<Option<Session>> {
        if self.local {
            return Ok(None);
        }
        self.target.find()
    }
}

impl Target {
    /// Returns the node to ask.
    ///
    /// # Errors
    /// There is no login, or it cannot be read.
    pub(crate) fn session(&self) -> Result<Session> {
        let none = || {
            let message = "there is no login; `flowgate login URL` makes one, and `flowgate serve` starts a node";
            NodeError::Token(message.into()).into()
        };
        self.find()?.ok_or_else(none)
    }

    fn find(&self) -> Result<Option<Session>> {
        // A variable that is no text is none.
        let env = |name: &str| std::env::var(name).ok();
        // Where there is no place for a login, there is no login: commands are about this machine then.
        let file = LoginFile::of(&env).ok();
        // The environment may say all; then the login does not matter, whatever is wrong with it.
        let of_env = |name: &str| env(name).filter(|value| !value.is_empty());
        let says_all = (self.node.is_some() || of_env("FLOWGATE_NODE").is_some()) && of_env("FLOWGATE_TOKEN").is_some();
        let login = match &file {
            Some(file) if !says_all => file.read()?,
            _ => None,
        };
        let Some(access) = Access::of(self, &env, login.as_ref())? else { return Ok(None) };
        let client = Client::new(&access.url, &access.token, access.ca.as_deref())?;
        let login = if access.is_of_login { file.zip(login) } else { None };
        Ok(Some(Session { client, tenant: access.tenant, login }))
    }
}

/// With what a node is asked.
#[derive(Debug, PartialEq, Eq)]
struct Access {
    url: String,
    token: String,
    tenant: Option<String>,
    ca: Option<PathBuf>,
    /// Whether the token is that of the login.
    is_of_login: bool,
}

impl Access {
    fn of(target: &Target, env: &dyn Fn(&str) -> Option<String>, login: Option<&Login>) -> Result<Option<Access>> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let of_env = set("FLOWGATE_NODE")
            .map(|url| address::check(&url).map_err(|what| CommandError::Arguments(format!("FLOWGATE_NODE: {what}"))));
        let named = target.node.clone().map(Ok).or(of_env).transpose()?;
        let Some(url) = named.or_else(|| login.map(|login| login.url.clone())) else { return Ok(None) };
        let own = login.filter(|login| login.url == url);
        let token = set("FLOWGATE_TOKEN");
        let is_of_login = token.is_none();
        let Some(token) = token.or_else(|| own.map(|login| login.token.clone())) else {
            let message =
                format!("there is no token for {url}; log in with `flowgate login {url}`, or set FLOWGATE_TOKEN");
            return Err(NodeError::Token(message).into());
        };
        // The tenant of a login belongs to its token.
        let kept = own.filter(|_| is_of_login).and_then(|login| login.tenant.clone());
        let tenant = target.tenant.clone().or_else(|| set("FLOWGATE_TENANT")).or(kept);
        Ok(Some(Access { url, token, tenant, ca: own.and_then(|login| login.ca.clone()), is_of_login }))
    }
}

impl Session {
    /// Returns the tenant that the command is about.
    ///
    /// # Errors
    /// None is named, and the token belongs to the node.
    pub(crate) fn tenant(&self) -> Result<String> {
        if let Some(tenant) = &self.tenant {
            return Ok(tenant.clone());
        }
        let who: Whoami = self.client.get(&address::path(&["whoami"]))?;
        who.tenant.ok_or_else(|| {
            let message = "the token belongs to the node: say which tenant is meant, with --tenant, or with `flowgate tenant use TENANT`";
            CommandError::Arguments(message.into()).into()
        })
    }

    /// Returns the path of something of the tenant.
    ///
    /// # Errors
    /// As for [`Session::tenant`].
    pub(crate) fn path(&self, steps: &[&str]) -> Result<String> {
        let tenant = self.tenant()?;
        Ok(address::path(&[&["tenants", &tenant], steps].concat()))
    }

    /// Whether it is named which tenant is meant.
    pub(super) fn names_tenant(&self) -> bool {
        self.tenant.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        let ca = Some(PathBuf::from("/ca.pem"));
        Login { url: "https://a".into(), token: "fg_file".into(), tenant: Some("acme".into()), ca }
    }

    /// Returns URL, token and tenant; `None` if there is nothing to ask, or what is there is wrong.
    fn of(
        node: Option<&str>,
        tenant: Option<&str>,
        vars: &[(&str, &str)],
        login: Option<&Login>,
    ) -> Option<(String, String, Option<String>)> {
        let target = Target { node: node.map(String::from), tenant: tenant.map(String::from) };
        let env = |name: &str| vars.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_string());
        let access = Access::of(&target, &env, login).ok()??;
        Some((access.url, access.token, access.tenant))
    }

    fn is(url: &str, token: &str, tenant: &str) -> Option<(String, String, Option<String>)> {
        let tenant = (!tenant.is_empty()).then(|| tenant.to_string());
        Some((url.into(), token.into(), tenant))
    }

    #[test]
    fn arguments_go_before_the_environment_and_that_before_the_login() {
        let login = login();
        assert_eq!(of(None, None, &[], Some(&login)), is("https://a", "fg_file", "acme"));
        assert_eq!(of(None, Some("b"), &[("FLOWGATE_TENANT", "c")], Some(&login)), is("https://a", "fg_file", "b"));
        assert_eq!(of(None, None, &[("FLOWGATE_TENANT", "c")], Some(&login)), is("https://a", "fg_file", "c"));
        assert_eq!(of(None, None, &[("FLOWGATE_TENANT", "")], Some(&login)), is("https://a", "fg_file", "acme"));
        assert_eq!(of(None, None, &[("FLOWGATE_TOKEN", "fg_env")], Some(&login)), is("https://a", "fg_env", ""));
        let both = [("FLOWGATE_NODE", "http://b/"), ("FLOWGATE_TOKEN", "fg_env")];
        assert_eq!(of(None, None, &both, None), is("http://b", "fg_env", ""));
        assert_eq!(of(Some("http://c"), None, &both, None), is("http://c", "fg_env", ""));
    }

    #[test]
    fn without_a_login_there_is_no_node() {
        assert_eq!(of(None, None, &[], None), None);
        assert_eq!(of(None, None, &[("FLOWGATE_TOKEN", "fg_env")], None), None);
    }

    #[test]
    fn a_kept_token_goes_to_its_own_node_alone() {
        let login = login();
        assert_eq!(of(Some("https://evil"), None, &[], Some(&login)), None);
        assert_eq!(of(None, None, &[("FLOWGATE_NODE", "https://evil")], Some(&login)), None);
        assert_eq!(of(Some("https://a"), None, &[], Some(&login)), is("https://a", "fg_file", "acme"));
    }
}
