//! Opens a store.

use std::sync::Arc;

use flowgate_base::error::Result;
use flowgate_checkpoint::CheckpointError;
use flowgate_checkpoint::store::{Remote, Store};
use hdfs_native_object_store::HdfsObjectStoreBuilder;

/// The scheme of addresses.
pub const SCHEME: &str = "hdfs";

/// Opens `hdfs://host:port/path`, or `hdfs://name-service/path`. The client reads the configuration of Hadoop from `HADOOP_CONF_DIR`.
///
/// # Errors
/// The address is wrong: the user's.
pub fn open(address: &str) -> Result<Store> {
    let wrong = |reason: String| CheckpointError::Address { address: address.into(), reason };
    let place = address.strip_prefix("hdfs://").unwrap_or(address);
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    let store = HdfsObjectStoreBuilder::new()
        .with_url(format!("hdfs://{authority}"))
        .build()
        .map_err(|e| wrong(e.to_string()))?;
    Remote::new(address, Arc::new(store), path).map(Store::new)
}
