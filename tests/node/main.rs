//! The node as a program on loopback: who may do what, what abuse does to others, and what comes back after kills.
//!
//! FLOWGATE_TEST_KILLS sets how often the node and its workers are killed, FLOWGATE_TEST_SEED repeats a run's decisions.
#![cfg(target_os = "linux")]

mod abuse;
mod access;
mod access_matrix;
mod canary;
mod capabilities;
mod groups;
mod http;
mod kills;
mod life;
mod malformed;
mod neighbour;
mod operations;
mod paths;
mod quotas;
mod quotas_of_plugins;
mod quotas_of_state;
mod room;
mod secrecy;
mod served;
mod service;
mod stores;
mod supervision;
mod swap_states;
mod swaps;
mod tls;
mod upgrade;
mod worked;
