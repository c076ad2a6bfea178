//! What a user writes about sources and sinks: the structures of job files. Unknown fields are refused.
//!
//! The settings of a connector are in its folder; settings that several connectors share are here. The doc comments are the
//! descriptions in the JSON Schema that `flowgate schema` prints.

mod column;
mod empty;
mod format;
mod on_error;
mod table;

pub use crate::blackhole::settings::*;
pub use crate::file::settings::*;
pub use crate::file_sink::settings::*;
pub use crate::generator::settings::*;
pub use crate::nexmark::settings::*;
pub use crate::print::settings::*;
pub use crate::stdin::settings::*;
pub use crate::system::settings::*;
pub use crate::tap::settings::*;
pub use crate::webhook::settings::*;
pub(crate) use column::typed;
pub use column::*;
pub use empty::*;
pub use format::*;
pub(crate) use format::{comma, yes};
pub use on_error::*;
pub use table::*;
