//! The life of a batch, in the order in which it meets the files.
