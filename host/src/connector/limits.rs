//! Every limit of a connector, with its reason.

/// Rows in a batch where the job does not say: enough that the cost of a plugin call vanishes, few enough that a batch
/// stays in the second-level cache.
pub const BATCH_ROWS_DEFAULT: u32 = 8_192;

/// Rows in a batch at the most: columns of a batch have 32-bit offsets.
pub const BATCH_ROWS_MAX: u32 = 65_536;

/// Bytes of input after which a batch ends even if it has fewer rows, so that long lines do not make huge batches.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// The longest line (or CSV record) without its line end; a longer one is a failed row and is skipped without being
/// held in memory.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes that are asked of a file or a pipe at once: stays in the second-level cache while it is decoded.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Chunks that the thread reading a pipe may be ahead of the worker.
pub const PIPE_CHUNKS_AHEAD: usize = 4;

/// Bytes of a failed row that are kept for its dead letter.
pub const FAILURE_RAW_BYTES_MAX: usize = 1_024;

/// How deep JSON may be nested: what serde_json takes as well.
pub const JSON_DEPTH_MAX: usize = 127;

/// Words in one generated text.
pub const GENERATED_WORDS_MAX: u32 = 1_000;

/// Bytes in one value of a generator's `choice`.
pub const GENERATED_CHOICE_BYTES_MAX: usize = 4_096;

/// Bytes of text in a generated block: a block of long texts has fewer rows.
pub const GENERATED_BLOCK_BYTES_MAX: u64 = 16 << 20;

/// Bytes of output that are collected before they are written, and after a longer batch given back.
pub const OUTPUT_BUFFER_BYTES: usize = 256 << 10;

/// The widest column of a printed table, in terminal cells.
pub const TABLE_COLUMN_CELLS_MAX: usize = 200;
