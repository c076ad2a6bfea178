//! Checkpoint stores on real servers, for tests. `tests/servers/setup.sh` brings the servers.

mod life;
mod server;

pub use life::live;
pub use server::{Server, python};
