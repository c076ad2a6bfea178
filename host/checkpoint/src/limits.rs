//! Every limit of checkpoints, with its unit and reason.

/// Bytes of columns after which a block of a data file ends, unless it is the last of its slot: small blocks cost a request each when a
/// part of the key groups is read, large ones are read for few key groups of them.
pub const BLOCK_BYTES: usize = 256 << 10;

/// Bytes of rows of one slot that staging holds before it sorts and writes them: 16 blocks, so that a worker that restores an eighth of
/// the key groups reads hardly more than an eighth of the bytes. They count for `state.memory`.
pub const STAGING_BYTES: usize = 16 * BLOCK_BYTES;

/// Maximum bytes of a manifest: 100,000 blocks of 200 bytes each, three times over. It is parsed in memory.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// Maximum bytes of one block, which is read and checked in memory: the rows of one key group are not divided, and one key may have 1 GiB.
pub const BLOCK_BYTES_MAX: u64 = 4 << 30;

/// Rows in a batch that a base is written from or read in: as many as a batch of a source has.
pub const BATCH_ROWS: usize = 8_192;

/// Bytes of columns after which a row group of a base ends, at the end of a key group: Parquet tools read row groups whole, and a
/// restore at a parallelism of 64 still reads little that it does not need.
pub const ROW_GROUP_BYTES: usize = 8 << 20;

/// Bytes of blocks that compaction merges at once; the rest waits on disk.
pub const COMPACTION_BYTES: u64 = 64 << 20;

/// All files are merged when deltas have this share of the bytes of the bases, in percent. At 100, state that does not grow costs at most
/// one byte of compaction for a byte of deltas, amortised, and a restore reads at most twice the state. State to which keys are only
/// added costs two.
pub const COMPACTION_SHARE_PERCENT: u64 = 100;

/// Bytes of deltas below which nothing is merged for its size: a request to a store costs as much as some MiB.
pub const COMPACTION_BYTES_MIN: u64 = 4 << 20;

/// Number of delta files that are merged with one another, if each is smaller than [`COMPACTION_BYTES_MIN`]: a restore opens each file,
/// and every manifest lists it.
pub const DELTA_FILES_MAX: usize = 64;

/// Time for one request to a store on another machine, in milliseconds: a request moves at most a part of an upload, which takes seconds
/// on a slow line.
pub const REQUEST_TIMEOUT_MS: u64 = 30_000;

/// Time for a connection to a store on another machine, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// Times that a request is made again before the caller learns of the failure: enough for one lost connection. The caller tries again
/// itself, while the job goes on.
pub const REQUEST_RETRIES: usize = 3;

/// Time after which a request is not made again, in milliseconds.
pub const REQUEST_RETRY_MS: u64 = 20_000;

/// Time for one operation of a store on another machine, with its repetitions, in milliseconds: some stores have no limits of their own.
pub const OPERATION_TIMEOUT_MS: u64 = 60_000;

/// Times that a create-only put is repeated and read back before the caller learns that its outcome is unknown.
pub const CREATE_TRIES: usize = 4;

/// Bytes of one part of an upload: S3 requires 5 MiB, and allows 10,000 parts, which makes 156 GiB.
pub const UPLOAD_PART_BYTES: usize = 16 << 20;

/// Maximum parts of one upload that are sent at a time: enough for a line with a long way. They are held in memory.
pub const UPLOAD_PARTS_IN_FLIGHT: usize = 4;

/// Maximum times that an attempt searches for the newest number, while others add to it, before it gives up for now.
pub const SEARCH_TRIES: usize = 16;
