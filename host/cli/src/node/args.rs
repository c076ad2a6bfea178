//! The commands about a node, and their arguments.

use clap::{Args, Subcommand, ValueEnum};
use flowgate_api::token::Role;
use flowgate_base::error::Result;

use super::session::Target;
use super::{
    backup, job_change, job_end, job_logs, job_past, job_records, job_submit, job_swap, login, plugin, secret, tenant,
    token, top, usage,
};

mod job;
mod registry;
mod tenancy;

pub(crate) use job::{JobChangeArgs, JobDo, JobLogs, JobPast, JobRecords, JobRescale, JobSubmit, NewFile};
pub(crate) use registry::{PluginDelete, PluginList, PluginPush, PluginShow};
pub(crate) use tenancy::{
    SecretNamed, TenantCreate, TenantNamed, TenantSet, TenantShow, TokenCreate, TokenList, TokenRevoke, TokensOf,
};

/// Arguments of commands that show something of a node.
#[derive(Debug, Args)]
pub(crate) struct Shown {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The commands about a node itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep the token of a node, which commands ask from then on.
    #[command(after_help = login::LOGIN_EXAMPLES)]
    Login(login::LoginArgs),
    /// Forget the node and its token.
    #[command(after_help = login::LOGOUT_EXAMPLES)]
    Logout,
    /// Say which node is asked, and what the token allows.
    #[command(after_help = login::WHOAMI_EXAMPLES)]
    Whoami(Shown),
    /// Tenants of a node: to whom everything belongs, what they may take and touch.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Tokens: who may do what.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Secrets, which job files name as `${secret:NAME}`.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Copy the catalog of the node into a file, while it runs. Needs an administrator's token of the node.
    #[command(after_help = backup::EXAMPLES)]
    Backup(backup::BackupArgs),
    /// Watch the jobs of a tenant in the terminal.
    #[command(after_help = job::TOP_EXAMPLES)]
    Top(Target),
}

/// The `tenant` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant.
    #[command(after_help = tenancy::CREATE_EXAMPLES)]
    Create(TenantCreate),
    /// List the tenants that the token sees.
    #[command(after_help = tenancy::LIST_EXAMPLES)]
    List(Shown),
    /// Show the quotas and grants of a tenant.
    #[command(after_help = tenancy::SHOW_EXAMPLES)]
    Show(TenantShow),
    /// Change quotas and grants of a tenant; what is not named stays.
    #[command(after_help = tenancy::SET_EXAMPLES)]
    Set(TenantSet),
    /// Delete a tenant that has no jobs.
    #[command(after_help = tenancy::DELETE_EXAMPLES)]
    Delete(TenantNamed),
    /// Say which tenant commands are about from now on.
    #[command(after_help = tenancy::USE_EXAMPLES)]
    Use(TenantNamed),
    /// Show what a tenant uses of its quotas.
    #[command(after_help = tenancy::USAGE_EXAMPLES)]
    Usage(TenantShow),
}

/// The `token` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token, and print it once.
    #[command(after_help = tenancy::TOKEN_EXAMPLES)]
    Create(TokenCreate),
    /// List tokens, without what is secret in them.
    #[command(after_help = tenancy::TOKEN_LIST_EXAMPLES)]
    List(TokenList),
    /// End a token at once.
    #[command(after_help = tenancy::REVOKE_EXAMPLES)]
    Revoke(TokenRevoke),
}

/// The `secret` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Set the value of a secret: standard input, or what is typed unseen.
    #[command(after_help = tenancy::SECRET_EXAMPLES)]
    Set(SecretNamed),
    /// List secrets, without their values.
    #[command(after_help = tenancy::SECRET_LIST_EXAMPLES)]
    List(Shown),
    /// Delete a secret.
    #[command(after_help = tenancy::SECRET_DELETE_EXAMPLES)]
    Delete(SecretNamed),
}

/// The `plugin` commands about the registry of a node.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Push a component to the node, which compiles it and gives it a version.
    #[command(after_help = registry::PUSH_EXAMPLES)]
    Push(PluginPush),
    /// List the plugins on the node, or the versions of one.
    #[command(after_help = registry::LIST_EXAMPLES)]
    List(PluginList),
    /// Show a version of a plugin on the node: functions, columns, imports.
    #[command(after_help = registry::SHOW_EXAMPLES)]
    Show(PluginShow),
    /// Delete a version of a plugin that no job uses.
    #[command(after_help = registry::DELETE_EXAMPLES)]
    Delete(PluginDelete),
}

/// The `job` commands about jobs on a node alone.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Submit a job to the node, which checks and starts it.
    #[command(after_help = job::SUBMIT_EXAMPLES)]
    Submit(JobSubmit),
    /// End a job on the node at once, without a last checkpoint.
    #[command(after_help = job::CANCEL_EXAMPLES)]
    Cancel(JobDo),
    /// Start a job on the node that has stopped or failed, from its last checkpoint.
    #[command(after_help = job::START_EXAMPLES)]
    Start(JobDo),
    /// Stop a job on the node with a checkpoint, and start it from there.
    #[command(after_help = job::RESTART_EXAMPLES)]
    Restart(JobDo),
    /// Run a job on the node with another number of workers, with its state kept.
    #[command(after_help = job::RESCALE_EXAMPLES)]
    Rescale(JobRescale),
    /// Replace the file of a job on the node: it stops with a savepoint, and the new file starts from it.
    #[command(after_help = job::CHANGE_EXAMPLES)]
    Change(JobChangeArgs),
    /// Delete a job on the node that does not run, with its checkpoints and history.
    #[command(after_help = job::DELETE_EXAMPLES)]
    Delete(JobDo),
    /// Print what a job on the node and its plugins log.
    #[command(after_help = job::LOGS_EXAMPLES)]
    Logs(JobLogs),
    /// Show what happened to a job on the node: starts, failures, swaps.
    #[command(after_help = job::HISTORY_EXAMPLES)]
    History(JobPast),
    /// List the checkpoints and savepoints of a job on the node.
    #[command(after_help = job::CHECKPOINTS_EXAMPLES)]
    Checkpoints(JobPast),
    /// List the calls of plugins that ended without an answer in a job on the node, or save one, for `flowgate plugin replay`.
    #[command(after_help = job::RECORDS_EXAMPLES)]
    Records(JobRecords),
    /// Take the last swap of a job back.
    #[command(after_help = job::ROLLBACK_EXAMPLES)]
    Rollback(JobDo),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// What ended it.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Command::Login(args) => login::login(args),
            Command::Logout => login::logout(),
            Command::Whoami(args) => login::whoami(args),
            Command::Tenant(TenantCommand::Create(args)) => tenant::create(args),
            Command::Tenant(TenantCommand::List(args)) => tenant::list(args),
            Command::Tenant(TenantCommand::Show(args)) => tenant::show(args),
            Command::Tenant(TenantCommand::Set(args)) => tenant::set(args),
            Command::Tenant(TenantCommand::Delete(args)) => tenant::delete(args),
            Command::Tenant(TenantCommand::Use(args)) => tenant::use_tenant(args),
            Command::Tenant(TenantCommand::Usage(args)) => usage::run(args),
            Command::Token(TokenCommand::Create(args)) => token::create(args),
            Command::Token(TokenCommand::List(args)) => token::list(args),
            Command::Token(TokenCommand::Revoke(args)) => token::revoke(args),
            Command::Secret(SecretCommand::Set(args)) => secret::set(args),
            Command::Secret(SecretCommand::List(args)) => secret::list(args),
            Command::Secret(SecretCommand::Delete(args)) => secret::delete(args),
            Command::Backup(args) => backup::run(args),
            Command::Top(args) => top::run(args),
        }
    }
}

impl PluginCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// What ended it.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            PluginCommand::Push(args) => plugin::push(args),
            PluginCommand::List(args) => plugin::list(args),
            PluginCommand::Show(args) => plugin::show(args),
            PluginCommand::Delete(args) => plugin::delete(args),
        }
    }
}

impl JobCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// What ended it.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            JobCommand::Submit(args) => job_submit::run(args),
            JobCommand::Cancel(args) => job_end::cancel(args),
            JobCommand::Start(args) => job_end::start(args),
            JobCommand::Restart(args) => job_end::restart(args),
            JobCommand::Rescale(args) => job_change::rescale(args),
            JobCommand::Change(args) => job_change::change(args),
            JobCommand::Delete(args) => job_end::delete(args),
            JobCommand::Logs(args) => job_logs::run(args),
            JobCommand::History(args) => job_past::history(args),
            JobCommand::Checkpoints(args) => job_past::checkpoints(args),
            JobCommand::Records(args) => job_records::run(args),
            JobCommand::Rollback(args) => job_swap::rollback(args),
        }
    }
}

/// What a token allows; each role allows what those before it allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Sees everything but values of secrets.
    Viewer,
    /// Pushes plugins; submits, stops, swaps and deletes jobs.
    Operator,
    /// Manages tokens and secrets; of the node: tenants, too.
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Role {
        match role {
            RoleArg::Viewer => Role::Viewer,
            RoleArg::Operator => Role::Operator,
            RoleArg::Admin => Role::Admin,
        }
    }
}
