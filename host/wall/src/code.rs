//! The codes of this crate's errors: loading a plugin from 200, calling its functions from 220.

flowgate_base::codes! {
    pub
    NOT_ADMITTED = user(200, "a plugin is not admitted");
    MACHINE = external(201, "a plugin could not be compiled or judged on this machine");
    COMPILE_LIMIT = user(202, "a plugin takes too much to compile");
    UNREADABLE = user(203, "the file of a plugin cannot be read");
    MISFIT = user(204, "a plugin does not fit the contract");
    UNDESCRIBED = user(205, "a plugin does not say which functions it has");
    CONFIG_SCHEMA = user(206, "a config schema cannot be used");
    TRAP = user(220, "a function trapped");
    DEADLINE = user(221, "a call missed its deadline");
    CALL_LIMIT = user(222, "a call took more than its limits allow");
    INVALID_ANSWER = user(223, "an answer is not valid");
    GAVE_UP = user(224, "a function gave up");
    NOT_REOPENED = user(225, "a function cannot start again after a trap");
    TOO_MANY_TRAPS = user(226, "too many rows of a batch trap");
    BATCH_LIMIT = user(227, "the answers to a batch are too large");
}
