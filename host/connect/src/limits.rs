//! Every limit of a connector, with its reason.

/// Rows in a batch where the job does not say: enough that the cost of a plugin call vanishes, few enough that a batch
/// stays in the second-level cache.
pub const BATCH_ROWS_DEFAULT: u32 = 8_192;

/// Maximum rows in a batch: columns of a batch have 32-bit offsets.
pub const BATCH_ROWS_MAX: u32 = 65_536;

/// Bytes of input after which a batch ends even if it has fewer rows, so that long lines do not make huge batches.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// The longest line (or CSV record) without its line end; a longer one is a failed row and is skipped without being
/// held in memory.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes that one read of a file or a pipe requests: stays in the second-level cache while it is decoded.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Chunks that the thread reading a pipe may be ahead of the worker.
pub const PIPE_CHUNKS_AHEAD: usize = 4;

/// The maximum window of a zstd frame, as the power of two of its bytes: 128 MiB, what zstd itself reads without being told to
/// take more. It is memory of each file that is read.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Bytes of a failed row that are kept for its dead letter.
pub const FAILURE_RAW_BYTES_MAX: usize = 1_024;

/// How deep JSON may be nested: what serde_json takes as well.
pub const JSON_DEPTH_MAX: usize = 127;

/// Time between two looks at every followed file and table that the system has not told about, in milliseconds: what `tail -F`
/// takes, and not noticed in the processor's time.
pub const LOOK_EVERY_MS: u64 = 1_000;

/// Maximum looks at files in a second, so that many files that are followed cost a few thousandths of a processor.
pub const LOOKS_PER_SECOND_MAX: u64 = 1_000;

/// How long a file that has appeared under a followed pattern is kept open after its path has come to name nothing, in
/// milliseconds: who writes it has then let go of it.
pub const GONE_FILE_KEPT_MS: i64 = 60_000;

/// Share of a worker's time that listing the files of a followed pattern may take: one part in this many.
pub const LISTING_SHARE: u64 = 10;

/// Words in one generated text.
pub const GENERATED_WORDS_MAX: u32 = 1_000;

/// Bytes in one value of a generator's `choice`.
pub const GENERATED_CHOICE_BYTES_MAX: usize = 4_096;

/// Bytes of text in a generated block: a block of long texts has fewer rows.
pub const GENERATED_BLOCK_BYTES_MAX: u64 = 16 << 20;

/// Memory of the preloaded rows of one process: what one machine is likely to have.
pub const PRELOAD_BYTES_MAX: usize = 16 << 30;

/// Minimum time between two samples of a machine's figures: more often, those of processors do not change.
pub const SYSTEM_EVERY_MS_MIN: i64 = 200;

/// Rows in a webhook's request where the job does not say.
pub const WEBHOOK_BATCH_ROWS_DEFAULT: u32 = 100;

/// Bytes of rows after which a webhook's request is sent even if it has fewer rows: what servers usually take.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 1 << 20;

/// Further attempts of a webhook where the job does not say.
pub const WEBHOOK_RETRIES_DEFAULT: u32 = 5;

/// Maximum further attempts of a webhook: with the longest wait between them, they take 8 hours.
pub const WEBHOOK_RETRIES_MAX: u32 = 1_000;

/// Wait before a webhook's second attempt where the job does not say, in milliseconds.
pub const WEBHOOK_BACKOFF_MS_DEFAULT: i64 = 200;

/// The longest wait between two attempts of a webhook, in milliseconds: a server that is back is noticed soon.
pub const WEBHOOK_BACKOFF_MS_MAX: i64 = 30_000;

/// The longest wait that a server may ask for (`Retry-After`), in milliseconds: it could ask for years.
pub const WEBHOOK_RETRY_AFTER_MS_MAX: i64 = 60_000;

/// Time of one attempt of a webhook where the job does not say, in milliseconds.
pub const WEBHOOK_TIMEOUT_MS_DEFAULT: i64 = 10_000;

/// How long a request of a webhook is tried again after the job was asked to stop, in milliseconds: what runs containers
/// waits ten seconds before it kills.
pub const WEBHOOK_STOP_MS: u64 = 5_000;

/// Bytes of a refusing answer that are shown.
pub const WEBHOOK_ANSWER_BYTES_MAX: u64 = 512;

/// Bytes of output that are collected before they are written, and after a longer batch given back.
pub const OUTPUT_BUFFER_BYTES: usize = 256 << 10;

/// Bytes of a sample from which columns are inferred: it is held in memory, and shows enough rows.
pub const INFER_BYTES_MAX: usize = 16 << 20;

/// Columns that are inferred: objects with more have keys that are data.
pub const INFER_COLUMNS_MAX: usize = 1_000;
