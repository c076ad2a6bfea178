//! The `stdin` source.

pub(crate) mod settings;
mod source;

pub(crate) use source::PipeInput;
