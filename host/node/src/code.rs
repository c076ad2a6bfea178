//! The codes of this crate's errors.

flowgate_base::codes! {
    pub
    DATA_TAKEN = external(900, "another node has the data folder");
    CATALOG = external_lasting(901, "the catalog of a node cannot be used");
    SETTINGS = user(902, "the settings of a node are wrong");
}
