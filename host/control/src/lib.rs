//! Questions to a running job, and its answers, on a Unix socket of the job's own.
//!
//! [`frame`] divides the connection into messages, which [`message`] lists. [`place`] is where sockets are and who may reach them.
//! [`server`] answers for a job on threads of its own, so that no client can delay a worker. [`client`] finds running jobs and asks
//! them. [`status`] is the state of a job as plain data, with its [`figures`]; [`edges`] are those of a picture of it, and
//! [`explain`] concludes from it why an operator emits nothing. [`canary`] is what a job says of a version that runs beside another.

#![forbid(unsafe_code)]

pub mod canary;
pub mod client;
pub mod edges;
pub mod explain;
pub mod figures;
pub mod frame;
pub mod limits;
pub mod message;
pub mod place;
pub mod server;
pub mod status;
