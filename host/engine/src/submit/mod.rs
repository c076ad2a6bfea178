//! From a job's document to a running job, the same way for the command line, a service, and a program that embeds Flowgate:
//! [`Submission::check`] reads and checks a job against its plugins, [`start`] runs the graph that this returns.

mod job_plugins;
mod recheck;
mod submission;

pub use job_plugins::{Caps, JobPlugins};
pub use recheck::{NewVersion, Recheck, swap_prospect};
pub use submission::{Accepted, Rejected, Submission, open_sink, prospect, start, start_from, start_with};
