//! Every limit of the wall, in one table: unit (in the name), default, reason.
//!
//! S5: work for a plugin ends and is bounded, on both sides of the wall.

use std::time::Duration;

use crate::settings::LimitSettings;
use flowgate_base::quantity::{Bytes, Millis};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a plugin may take. [`Limits::default`] is what [`Plugins`](super::Plugins) uses unless a job says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A component's file. A Python plugin has about 40 MiB; more is a mistake or an attack on the compiler.
    pub component_bytes_max: usize,
    /// Modules and components nested in a component, each. Python plugins have about 30; each costs the host memory.
    pub nested_modules_max: usize,
    /// Address space of the child that compiles: what hostile code can make the compiler take.
    pub compile_memory_bytes_max: u64,
    /// Processor time of the child that compiles. A Python plugin takes about 10 s, a Rust one 0.1 s.
    pub compile_cpu_s_max: u64,
    /// Wall-clock time of the child that compiles; more than its processor time, for a machine that is busy.
    pub compile_wall_s_max: u64,
    /// Machine code of one component; bounds what the parent reads from the child.
    pub machine_code_bytes_max: usize,

    /// Address space of the child that judges config schemas, and configs by them.
    pub judge_memory_bytes_max: u64,
    /// Processor time of that child. A schema of a thousand lines takes a few milliseconds.
    pub judge_cpu_s_max: u64,
    /// Wall-clock time of that child; more than its processor time, for a machine that is busy.
    pub judge_wall_s_max: u64,
    /// JSON values in all config schemas of a plugin: each takes up to 700 bytes when it is parsed.
    pub schema_values_max: usize,

    /// Linear memory of one instance. Enough for a batch of 8,192 rows several times over.
    pub memory_bytes_max: usize,
    /// Entries of all tables of one instance: function pointers, of which large plugins have about 15,000.
    pub table_elements_max: usize,
    /// Core instances, tables and memories of one instance, each: dynamically linked Python has about 30.
    pub core_instances_max: usize,
    /// Resource handles that an instance holds. The contract has no resources; what a component needs inside is few.
    pub component_handles_max: usize,
    /// Stack of wasm code. A worker thread has 2 MiB; recursion ends here and not at the thread's guard page.
    pub stack_bytes_max: usize,
    /// Instances that live at once in the process, each a function on a worker. They cost address space only.
    pub instances_max: u32,

    /// One call over one batch, wall-clock. A thousand rows take microseconds; this catches loops.
    pub deadline_ms: u64,
    /// Instantiating, describing and opening a function. An interpreter starts up here.
    pub open_deadline_ms: u64,
    /// Precision of the deadlines: a call ends at most two of these late.
    pub deadline_tick_ms: u64,
    /// Columns that a call takes; batches that hold more are cut in two. A quarter of the memory, so that the
    /// function's own copies fit as well.
    pub input_bytes_max: usize,
    /// Data that a call returns. Bounds the host's copy of it.
    pub output_bytes_max: usize,
    /// Rows that a call returns in all its outputs: 120 for each row of a full batch. A few bytes of row numbers can
    /// stand for rows of any size, which whoever reads them has to handle one by one.
    pub output_rows_max: usize,
    /// Rows that the answers to one batch have together, where it is cut or searched in many calls.
    pub batch_rows_max: usize,
    /// Data of those answers, in `output_bytes_max`: the host holds all of it until the batch is done.
    pub batch_outputs_max: usize,
    /// Data that `describe` returns: documentation, schemas, signatures.
    pub describe_bytes_max: usize,
    /// Functions of one plugin.
    pub functions_max: usize,
    /// Columns of one input or output, and outputs of one function.
    pub columns_max: usize,
    /// One accumulator of an aggregate. Every batch that touches a group moves its accumulator in and out.
    pub accumulator_bytes_max: usize,

    /// One value, map entry or list element of state. It moves in and out of the sandbox whole.
    pub state_value_bytes_max: usize,
    /// The key of one map entry. Indexes hold it in memory.
    pub state_entry_bytes_max: usize,
    /// Map entries or list elements that one import returns at once; the function calls again for more.
    pub state_entries_max: usize,
    /// Bytes of state that one import returns at once: as much as the columns of a call.
    pub state_read_bytes_max: usize,
    /// Bytes of state that one call writes, with 128 for each write: they lie next to the state until the call has ended.
    /// 64 writes for each row of a batch.
    pub state_written_bytes_max: usize,
    /// One map or list of one key. It is in memory as a whole while its key is in a batch, whatever the budget of state.
    pub key_state_bytes_max: usize,
    /// Timers that one call sets: 32 for each row of a batch.
    pub timers_per_call_max: usize,
    /// Values that one call migrates, as many as a full batch has rows: the deadline and the search are those of a batch.
    pub migrated_values_max: usize,
    /// State slots of one function. Each has tables of its own on every worker.
    pub state_slots_max: usize,

    /// Traps for which one batch is searched for poison rows; with more, the job fails behind what was found. One row
    /// among 8,192 takes 14 traps to find, all of them 16,383.
    pub traps_per_batch_max: u32,
    /// Time for which one batch is searched for poison rows; with more, the job fails behind what was found.
    pub search_ms_max: u64,

    /// A message to people (a failed row, a log line, an error of `open`). What is longer is cut.
    pub message_bytes_max: usize,
    /// Messages in the list of problems that `open` returns. The rest is counted.
    pub problems_max: usize,
    /// Log lines of one function on one worker; a line that repeats the one before counts once. What is over is counted
    /// and dropped.
    pub log_lines_per_s_max: u32,
    /// Names of metrics of one function.
    pub metric_names_max: usize,
    /// One read of a granted file: the host's buffer.
    pub file_read_bytes_max: usize,
    /// State or accumulators in the record of a call that ended without an answer. With more, the call is not recorded.
    pub recorded_state_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            component_bytes_max: 64 * MIB,
            nested_modules_max: 200,
            compile_memory_bytes_max: 2048 * MIB as u64,
            compile_cpu_s_max: 60,
            compile_wall_s_max: 120,
            machine_code_bytes_max: 512 * MIB,

            judge_memory_bytes_max: 512 * MIB as u64,
            judge_cpu_s_max: 5,
            judge_wall_s_max: 20,
            schema_values_max: 50_000,

            memory_bytes_max: 64 * MIB,
            table_elements_max: 50_000,
            core_instances_max: 100,
            component_handles_max: 1_000,
            stack_bytes_max: 512 * KIB,
            instances_max: 1_000,

            deadline_ms: 1_000,
            open_deadline_ms: 10_000,
            deadline_tick_ms: 10,
            input_bytes_max: 16 * MIB,
            output_bytes_max: 64 * MIB,
            output_rows_max: 1_000_000,
            batch_rows_max: 4_000_000,
            batch_outputs_max: 4,
            describe_bytes_max: 4 * MIB,
            functions_max: 1_000,
            columns_max: 1_000,
            accumulator_bytes_max: 64 * KIB,

            state_value_bytes_max: MIB,
            state_entry_bytes_max: 64 * KIB,
            state_entries_max: 65_536,
            state_read_bytes_max: 16 * MIB,
            state_written_bytes_max: 64 * MIB,
            key_state_bytes_max: 256 * MIB,
            timers_per_call_max: 262_144,
            migrated_values_max: 8_192,
            state_slots_max: 64,

            traps_per_batch_max: 20_000,
            search_ms_max: 30_000,

            message_bytes_max: 4_096,
            problems_max: 100,
            log_lines_per_s_max: 100,
            metric_names_max: 100,
            file_read_bytes_max: 16 * MIB,
            recorded_state_bytes_max: 16 * MIB,
        }
    }
}

impl Limits {
    /// The defaults, with what a job sets of its own.
    pub fn of_job(job: &LimitSettings) -> Self {
        let mut limits = Limits::default();
        if let Some(Bytes(bytes)) = job.memory {
            limits.memory_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX).min(4096 * MIB);
            limits.input_bytes_max = (limits.memory_bytes_max / 4).max(MIB);
        }
        if let Some(Millis(ms)) = job.deadline {
            limits.deadline_ms = u64::try_from(ms).unwrap_or(0).max(1);
            limits.search_ms_max = limits.search_ms_max.max(limits.deadline_ms.saturating_mul(30));
        }
        if let Some(Bytes(bytes)) = job.output {
            limits.output_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(Bytes(bytes)) = job.key_state {
            limits.key_state_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        limits
    }

    /// Data that the answers to one batch have together.
    pub(crate) fn batch_bytes_max(&self) -> usize {
        self.output_bytes_max.saturating_mul(self.batch_outputs_max)
    }

    /// How long a call may take.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// How long instantiating, describing and opening may take.
    pub(crate) fn open_deadline(&self) -> Duration {
        Duration::from_millis(self.open_deadline_ms)
    }
}
