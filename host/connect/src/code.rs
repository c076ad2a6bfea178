//! The codes of this crate's errors: sources from 300, sinks from 350.

flowgate_base::codes! {
    pub
    SETTINGS = user(300, "the settings of a connector are wrong");
    NO_FILES = external(301, "no file matches the path of a source");
    UNREADABLE = external_lasting(302, "an input cannot be read");
    OWN_OUTPUT = user(303, "a job reads what it writes");
    NOT_REPEATABLE = user(304, "an input cannot be read again");
    REPLACED = external_lasting(305, "a file is not the one that was read before");
    DAMAGED = external_lasting(306, "an input is truncated or damaged");
    HEADER = user(307, "the header of a CSV file does not fit");
    TABLE_ROW = user(308, "a table file has a line that is no row");
    POSITION = user(309, "a source cannot go on where it stood");
    TOO_LARGE = user(310, "rows do not fit into memory");
    NO_SAMPLE = user(311, "there are no rows to infer columns from");
    MACHINE = external(312, "the figures of the machine cannot be read");
    LOST = external_lasting(313, "a followed file is gone");
    OUTPUT_IN_USE = external(350, "another job writes the output file");
    UNWRITABLE = external_lasting(351, "an output file cannot be written");
    UNDELIVERED = external(352, "rows were not delivered");
    OUTPUT_REPLACED = external_lasting(353, "an output is not the one of the checkpoint");
}
