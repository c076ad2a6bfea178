//! The codes of this crate's errors: reading and starting a job from 400, running it from 500.

flowgate_base::codes! {
    pub
    JOB_FILE = user(400, "a job file cannot be read");
    FUNCTION = user(401, "a function does not fit the job");
    PLUGIN_REPLACED = user(402, "a plugin was replaced while a job started");
    WORKERS = external(403, "the workers of a job cannot start");
    JOB_PROBLEMS = user(404, "a job has problems");
    HAS_CHECKPOINTS = user(405, "a store has checkpoints of the job");
    OTHER_STATE = user(406, "a job cannot continue from its checkpoint");
    OTHER_SAVEPOINT = user(407, "a job cannot start from a savepoint");
    FAILED_ROW = user(500, "a row failed");
    TOO_MANY_ROWS = user(501, "rows do not fit into a column");
    SUM_OVERFLOW = user(502, "a sum does not fit into its type");
    ENDLESS_TIMERS = user(503, "timers set timers without end");
    LAST_CHECKPOINT = external(504, "the last checkpoint of a job cannot be written");
    SAVEPOINT = external(505, "a savepoint cannot be written");
    NO_SAVEPOINT = user(506, "a job cannot take a savepoint");
    SLOW_CHECKPOINT = external(507, "a checkpoint takes longer than its timeout");
    SWAP_MISFIT = user(508, "a swap does not fit the job");
    SWAP_BUSY = user(509, "another swap is on its way");
    NOT_MIGRATED = user(510, "state cannot be migrated in a swap");
    SWAP_ENDED = user(511, "a swap comes too late");
    FAILED_CALLS = user_passing(512, "calls fail too often");
    EXPANSION = user(513, "a function emits too many rows");
}
