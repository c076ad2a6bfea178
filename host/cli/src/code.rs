//! The codes of this crate's errors.

flowgate_base::codes! {
    pub(crate)
    ARGUMENTS = user(700, "the arguments of a command do not fit");
    TRIAL = external_lasting(701, "a trial of a function failed");
    FUNCTION = user(702, "a function does not fit its sample rows");
    NOT_BUILT = user(703, "a plugin has not been built");
    NO_JOB = user(704, "no such job runs");
    UNANSWERED = external(705, "a running job does not answer");
    END_UNKNOWN = external_lasting(706, "how a job ended is not known");
    LOST = external(707, "a checkpoint was deleted while it was read");
    REFUSED = user(708, "a running job refuses a request");
    CANARY_DIFFERS = external_lasting(709, "a new version of a function does something else");
    NODE_SILENT = external(720, "a node does not answer");
    NODE_ANSWER = external_lasting(721, "a node answers something unexpected");
    NODE_TOKEN = user(722, "a node needs a valid token");
    NODE_REFUSES = user(723, "a node refuses a request");
    NODE_NOT_NOW = external(724, "a node cannot do this now");
}
