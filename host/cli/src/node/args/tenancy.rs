//! Arguments of the commands about tenants, tokens and secrets.

use clap::Args;
use flowgate_base::quantity::Millis;

use super::{RoleArg, Shown};
use crate::node::session::Target;
use crate::node::tenant_flags::{GrantFlags, QuotaFlags};

pub(super) const CREATE_EXAMPLES: &str = "\
Examples:
  flowgate tenant create acme
  flowgate tenant create acme --jobs 20 --memory 2GiB --cpu 1.5 --state 10GiB
  flowgate tenant create acme --quota plugins=10 --grant-connector webhook --grant-connect api.example.com:443

What is not named has its default. A login that has no tenant is about this one from then on.";

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  flowgate tenant list
  flowgate tenant list --json | jq -r '.[].name'";

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  flowgate tenant show            # the present one
  flowgate tenant show acme --json | jq .quotas";

pub(super) const SET_EXAMPLES: &str = "\
Examples:
  flowgate tenant set acme --jobs 40 --quota history=1000
  flowgate tenant set acme --grant-read '/data/acme/**' --grant-connector file
  flowgate tenant set acme --revoke '/data/acme/**'

Running jobs have it from their next attempt on.";

pub(super) const DELETE_EXAMPLES: &str = "\
Examples:
  flowgate tenant delete acme

Its tokens, secrets and plugins are deleted, too.";

pub(super) const USE_EXAMPLES: &str = "\
Examples:
  flowgate tenant use acme

`--tenant` and FLOWGATE_TENANT go before it.";

pub(super) const USAGE_EXAMPLES: &str = "\
Examples:
  flowgate tenant usage
  flowgate tenant usage acme --json | jq .memory_used_bytes";

pub(super) const TOKEN_EXAMPLES: &str = "\
Examples:
  flowgate token create ci --role operator --expires 30d > token.txt
  flowgate token create ada --role admin --tenant acme
  flowgate token create deputy --role admin --of-node

The token is on standard output, alone. The node keeps a hash of it: it cannot be shown again.";

pub(super) const TOKEN_LIST_EXAMPLES: &str = "\
Examples:
  flowgate token list
  flowgate token list --of-node --json";

pub(super) const REVOKE_EXAMPLES: &str = "\
Examples:
  flowgate token revoke q4zk2m7w5d3a   # an id of `flowgate token list`";

pub(super) const SECRET_EXAMPLES: &str = "\
Examples:
  flowgate secret set api-key                 # asks for the value
  flowgate secret set api-key < key.txt       # without the last line end

A job file names it as ${secret:api-key}. Running jobs have a new value from their next attempt on.";

pub(super) const SECRET_LIST_EXAMPLES: &str = "\
Examples:
  flowgate secret list
  flowgate secret list --json | jq -r '.[].name'";

pub(super) const SECRET_DELETE_EXAMPLES: &str = "\
Examples:
  flowgate secret delete api-key";

/// Arguments of `flowgate tenant create`.
#[derive(Debug, Args)]
pub(crate) struct TenantCreate {
    /// The name of the tenant.
    pub(crate) name: String,
    /// What it may take.
    #[command(flatten)]
    pub(crate) quotas: QuotaFlags,
    /// What its jobs may touch.
    #[command(flatten)]
    pub(crate) grants: GrantFlags,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `flowgate tenant show` and `flowgate tenant usage`.
#[derive(Debug, Args)]
pub(crate) struct TenantShow {
    /// The tenant [default: the present one].
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How it is shown, and of which node.
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Arguments of `flowgate tenant set`.
#[derive(Debug, Args)]
pub(crate) struct TenantSet {
    /// The tenant.
    pub(crate) name: String,
    /// What it may take.
    #[command(flatten)]
    pub(crate) quotas: QuotaFlags,
    /// What its jobs may touch.
    #[command(flatten)]
    pub(crate) grants: GrantFlags,
    /// Take back what was granted by this text. May be used several times.
    #[arg(long, value_name = "GRANT", help_heading = "Grants")]
    pub(crate) revoke: Vec<String>,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `flowgate tenant delete` and `flowgate tenant use`.
#[derive(Debug, Args)]
pub(crate) struct TenantNamed {
    /// The tenant.
    pub(crate) name: String,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Whose tokens.
#[derive(Debug, Args)]
pub(crate) struct TokensOf {
    /// Tokens of the node itself, which see all tenants.
    #[arg(long, conflicts_with = "tenant")]
    pub(crate) of_node: bool,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `flowgate token create`.
#[derive(Debug, Args)]
pub(crate) struct TokenCreate {
    /// A name to recognise it by, such as the machine that has it.
    pub(crate) name: String,
    /// What it allows.
    #[arg(long, value_enum)]
    pub(crate) role: RoleArg,
    /// The time after which it is not valid any more, as `30d` [default: never].
    #[arg(long, value_name = "DURATION")]
    pub(crate) expires: Option<Millis>,
    /// Whose token.
    #[command(flatten)]
    pub(crate) of: TokensOf,
}

/// Arguments of `flowgate token list`.
#[derive(Debug, Args)]
pub(crate) struct TokenList {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Whose tokens.
    #[command(flatten)]
    pub(crate) of: TokensOf,
}

/// Arguments of `flowgate token revoke`.
#[derive(Debug, Args)]
pub(crate) struct TokenRevoke {
    /// The id of the token.
    pub(crate) id: String,
    /// Whose token.
    #[command(flatten)]
    pub(crate) of: TokensOf,
}

/// Arguments of `flowgate secret set` and `flowgate secret delete`.
#[derive(Debug, Args)]
pub(crate) struct SecretNamed {
    /// The name of the secret.
    pub(crate) name: String,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}
