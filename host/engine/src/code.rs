//! The codes of this crate's errors.

flowgate_base::codes! {
    pub
    USER = user(400, "the job cannot run as it is written");
    EXTERNAL = external(401, "the job could not be started or continued on this machine");
}
