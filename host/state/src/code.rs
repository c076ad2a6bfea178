//! The codes of this crate's errors.

flowgate_base::codes! {
    pub
    KEY_TOO_LARGE = user(100, "the state of one key is too large");
    SPILL_FILE = external(101, "the file for state cannot be used");
    KEYS_TOO_LARGE = user(102, "the keys of one batch are too large");
    DAMAGED = external(103, "stored state is damaged");
    VERSION = external_lasting(104, "stored state has another version");
}
