//! The commands about a node, each as its user types it, against a real one.
#![cfg(target_os = "linux")]

mod jobs;
mod plugins;
mod refusals;
mod swaps;
mod tenants;
mod user;
