//! The codes of this crate's errors.

flowgate_base::codes! {
    pub(crate)
    USER = user(700, "the command cannot do what its arguments say");
    EXTERNAL = external(701, "the command could not read or write");
}
