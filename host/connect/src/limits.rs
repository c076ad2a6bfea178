//! Every limit of a connector, with its reason.

/// Rows in a batch where the job does not set them: enough that the cost of a plugin call vanishes, few enough that a batch stays
/// in the second-level cache.
pub const BATCH_ROWS_DEFAULT: u32 = 8_192;

/// Maximum rows in a batch: columns of a batch have 32-bit offsets.
pub const BATCH_ROWS_MAX: u32 = 65_536;

/// Bytes of input after which a batch ends even if it has fewer rows, so that long lines do not make huge batches.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// The longest line (or CSV record) without its line end; a longer one is a failed row and is skipped without being held in
/// memory.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes that one read of a file or a pipe requests: stays in the second-level cache while it is decoded.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Maximum chunks that the thread reading a pipe is ahead of the worker.
pub const PIPE_CHUNKS_AHEAD: usize = 4;

/// The maximum window of a zstd frame, as the power of two of its bytes: 128 MiB, the default limit of zstd itself. It is memory
/// of each file that is read.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Bytes of a failed row that are kept for its dead letter.
pub const FAILURE_RAW_BYTES_MAX: usize = 1_024;

/// Maximum nesting of JSON: that of serde_json.
pub const JSON_DEPTH_MAX: usize = 127;

/// Time between two looks at every followed file and table without a report of the system, in milliseconds: the interval of
/// `tail -F`, with negligible processor time.
pub const LOOK_EVERY_MS: u64 = 1_000;

/// The same where the system reports everything but a folder above that is renamed, and another file system mounted over it, in
/// milliseconds: hundreds of idle jobs on a machine then cost nothing.
pub const LOOK_REPORTED_EVERY_MS: u64 = 10_000;

/// Maximum looks at files in a second, so that many followed files cost a few thousandths of a processor.
pub const LOOKS_PER_SECOND_MAX: u64 = 1_000;

/// How long a file that has appeared under a followed pattern is kept open after its path has come to name nothing, in
/// milliseconds: its writer has then closed it.
pub const GONE_FILE_KEPT_MS: i64 = 60_000;

/// Maximum share of a worker's time for listing the files of a followed pattern: one part in this number.
pub const LISTING_SHARE: u64 = 10;

/// Maximum words in one generated text.
pub const GENERATED_WORDS_MAX: u32 = 1_000;

/// Maximum bytes in one value of a generator's `choice`.
pub const GENERATED_CHOICE_BYTES_MAX: usize = 4_096;

/// Maximum bytes of text in a generated block: a block of long texts has fewer rows.
pub const GENERATED_BLOCK_BYTES_MAX: u64 = 16 << 20;

/// Maximum memory of the preloaded rows of one process: what one machine is likely to have.
pub const PRELOAD_BYTES_MAX: usize = 16 << 30;

/// Minimum time between two samples of a machine's figures: those of processors do not change more often.
pub const SYSTEM_EVERY_MS_MIN: i64 = 200;

/// Rows in a webhook's request where the job does not set them.
pub const WEBHOOK_BATCH_ROWS_DEFAULT: u32 = 100;

/// Bytes of rows after which a webhook's request is sent even if it has fewer rows: what servers usually accept.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 1 << 20;

/// Further attempts of a webhook where the job does not set them.
pub const WEBHOOK_RETRIES_DEFAULT: u32 = 5;

/// Maximum further attempts of a webhook: with the longest wait between them, they take 8 hours.
pub const WEBHOOK_RETRIES_MAX: u32 = 1_000;

/// Wait before a webhook's second attempt where the job does not set it, in milliseconds.
pub const WEBHOOK_BACKOFF_MS_DEFAULT: i64 = 200;

/// The longest wait between two attempts of a webhook, in milliseconds: a server that is back is noticed soon.
pub const WEBHOOK_BACKOFF_MS_MAX: i64 = 30_000;

/// The longest wait that a server may request (`Retry-After`), in milliseconds: it could request years.
pub const WEBHOOK_RETRY_AFTER_MS_MAX: i64 = 60_000;

/// Maximum time of one attempt of a webhook where the job does not set it, in milliseconds.
pub const WEBHOOK_TIMEOUT_MS_DEFAULT: i64 = 10_000;

/// How long a request of a webhook is tried again after the job received a stop, in milliseconds: container runtimes kill after
/// ten seconds.
pub const WEBHOOK_STOP_MS: u64 = 5_000;

/// Maximum bytes of a refusing answer that are shown.
pub const WEBHOOK_ANSWER_BYTES_MAX: u64 = 512;

/// Bytes of output that are collected before they are written; after a longer batch, the rest of the buffer is freed.
pub const OUTPUT_BUFFER_BYTES: usize = 256 << 10;

/// Bytes after which a part of a file sink's folder is complete, where the job does not set them: few files, each read in a second.
pub const PART_BYTES_DEFAULT: u64 = 128 << 20;

/// Time after which a part of a file sink's folder is complete at the next checkpoint, where the job does not set it, in
/// milliseconds: at most 1,440 files a day, however frequent checkpoints are.
pub const PART_EVERY_MS_DEFAULT: i64 = 60_000;

/// Maximum bytes of a sample from which columns are inferred: it is held in memory, and shows enough rows.
pub const INFER_BYTES_MAX: usize = 16 << 20;

/// Maximum columns that are inferred: objects with more have keys that are data.
pub const INFER_COLUMNS_MAX: usize = 1_000;
