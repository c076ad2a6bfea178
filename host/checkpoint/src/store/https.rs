//! S3, Google Cloud Storage and Azure. Credentials, regions and endpoints come from the environment, by the names that the tools of each use:
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`; `GOOGLE_APPLICATION_CREDENTIALS`;
//! `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`.

use std::sync::Arc;
use std::time::Duration;

use object_store::{ClientConfigKey, ObjectStore, RetryConfig};

use flowgate_base::error::Result;

use crate::error::CheckpointError;
use crate::limits::{CONNECT_TIMEOUT_MS, REQUEST_RETRIES, REQUEST_RETRY_MS, REQUEST_TIMEOUT_MS};
use crate::store::create::Store;
use crate::store::remote::Remote;

/// Opens `s3://bucket/prefix`.
#[cfg(feature = "s3")]
pub(crate) fn open_s3(address: &str) -> Result<Store> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
    open(address, |bucket| {
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry());
        let builder = limits()
            .into_iter()
            .fold(builder, |builder, (key, value)| builder.with_config(AmazonS3ConfigKey::Client(key), value));
        builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
    })
}

/// Opens `gs://bucket/prefix`.
#[cfg(feature = "gcs")]
pub(crate) fn open_gcs(address: &str) -> Result<Store> {
    use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
    open(address, |bucket| {
        let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry());
        let builder = limits()
            .into_iter()
            .fold(builder, |builder, (key, value)| builder.with_config(GoogleConfigKey::Client(key), value));
        builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
    })
}

/// Opens `az://container/prefix`.
#[cfg(feature = "azure")]
pub(crate) fn open_azure(address: &str) -> Result<Store> {
    use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
    open(address, |container| {
        let builder = MicrosoftAzureBuilder::from_env().with_container_name(container).with_retry(retry());
        let builder = limits()
            .into_iter()
            .fold(builder, |builder, (key, value)| builder.with_config(AzureConfigKey::Client(key), value));
        builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
    })
}

fn open(address: &str, build: impl FnOnce(&str) -> object_store::Result<Arc<dyn ObjectStore>>) -> Result<Store> {
    // Only the first call chooses; all choose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = address.split_once("://").map_or(address, |(_, place)| place);
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let store =
        build(bucket).map_err(|e| CheckpointError::Address { address: address.into(), reason: e.to_string() })?;
    Remote::new(address, store, prefix).map(Store::new)
}

fn limits() -> [(ClientConfigKey, String); 2] {
    [
        (ClientConfigKey::Timeout, format!("{REQUEST_TIMEOUT_MS}ms")),
        (ClientConfigKey::ConnectTimeout, format!("{CONNECT_TIMEOUT_MS}ms")),
    ]
}

fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: REQUEST_RETRIES,
        retry_timeout: Duration::from_millis(REQUEST_RETRY_MS),
        ..RetryConfig::default()
    }
}
