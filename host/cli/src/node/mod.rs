//! Commands that ask a node: who is logged in, tenants, tokens, secrets, plugins, jobs.
//!
//! [`session`] finds the node, the tenant and the token; [`client`] makes requests; [`operation`] waits for what takes longer than one.
//! Each other file has the commands about one thing, [`args`] their arguments.

mod address;
pub(crate) mod args;
mod backup;
mod client;
mod error;
mod events;
mod hidden;
pub(crate) mod job_ask;
pub(crate) mod job_canary;
mod job_change;
pub(crate) mod job_end;
pub(crate) mod job_list;
mod job_logs;
mod job_past;
mod job_records;
mod job_submit;
pub(crate) mod job_swap;
pub(crate) mod job_tap;
mod json;
mod limits;
mod listing;
mod login;
mod login_file;
mod operation;
mod plugin;
mod plugin_text;
mod save;
mod secret;
pub(crate) mod session;
mod tenant;
mod tenant_flags;
mod token;
mod top;
mod usage;

#[cfg(test)]
mod client_tests;
