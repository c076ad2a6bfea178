//! What the jobs of a tenant may touch: [`Policy`]. What is not granted is refused, in the check of a job with the place in its
//! document, and by the kernel while it runs ([`confinement_of`]). `docs/policy.md` has the patterns.

mod address;
mod confinement;
mod grants;
mod guard;
#[cfg(test)]
mod hostile_tests;
mod path_pattern;
mod target_pattern;

pub use confinement::confinement_of;
pub use grants::{Policy, Refused};
pub(crate) use guard::Guard;
pub use path_pattern::{PathPattern, WrongPattern};
pub use target_pattern::TargetPattern;
