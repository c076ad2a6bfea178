#![doc = include_str!("../README.md")]

mod ascii;
mod white_space;
mod words;

pub use white_space::{NormaliseConfig, Normalised, normalise};
pub use words::{SplitConfig, Text, Word, split_words};

flowgate_sdk::plugin! { transforms: [split_words, normalise] }
