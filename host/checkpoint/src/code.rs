//! The codes of this crate's errors.

flowgate_base::codes! {
    pub
    ADDRESS = user(800, "the address of a checkpoint store cannot be used");
    AWAY = external(801, "a checkpoint store does not answer");
    REFUSED = external_lasting(802, "a checkpoint store refuses access");
    FENCED = external_lasting(803, "another attempt has taken over the job");
    DAMAGED = external_lasting(804, "a checkpoint is damaged");
    VERSION = external_lasting(805, "a checkpoint has another version");
    OTHER_JOB = user(806, "a checkpoint store belongs to another job");
    TOO_LARGE = external_lasting(807, "a checkpoint exceeds a limit");
    NO_SAVEPOINT = user(808, "a checkpoint store has no such savepoint");
    LOCKED = external(809, "a running job has the checkpoint store");
}
