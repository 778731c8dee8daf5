//! The storage that an address names, with the credentials of the environment.

use std::time::Duration;

use object_store::{
    ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};

const SCHEME: &str = "s3://";
/// Bound of one request: a part of 8 MiB at half a megabit a second.
const REQUEST: Duration = Duration::from_secs(180);
const CONNECT: Duration = Duration::from_secs(10);
/// The client's own retries are for a hiccup; [`super::upload`] has the long ones.
const HICCUPS: usize = 2;
const HICCUPS_WITHIN: Duration = Duration::from_secs(20);

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address is of another form.
    #[error("spec.storage.archive.url: {0:?} is no address of a bucket; write s3://bucket or s3://bucket/prefix")]
    Url(String),
    /// There are no credentials.
    #[error(
        "spec.storage.archive.secretName: the environment has no {0}; put it into that Secret (or, standalone, set it)"
    )]
    Credentials(&'static str),
    /// The settings do not fit together.
    #[error("the archive's settings (AWS_* in the Secret): {0}")]
    Settings(#[from] object_store::Error),
}

/// An archive: the storage, and the folder in it.
#[derive(Debug)]
pub struct Target {
    /// As the spec has it.
    pub url: String,
    /// The bucket.
    pub store: AmazonS3,
    prefix: Path,
}

impl Target {
    /// Opens nothing yet: a wrong key shows at the first upload.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn new(url: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Url(url.to_owned());
        let (bucket, prefix) = split(url).ok_or_else(wrong)?;
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        // A workload identity comes without keys. Without either the client would look for a cloud around it, and wait.
        if !is_set("AWS_WEB_IDENTITY_TOKEN_FILE") && !is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            let missing = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].into_iter().find(|name| !is_set(name));
            if let Some(name) = missing {
                return Err(TargetError::Credentials(name));
            }
        }
        // The client of Kubernetes has chosen it too; who comes second finds it set.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = std::env::var("AWS_ENDPOINT_URL").unwrap_or_default();
        let client = ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT);
        let retry = RetryConfig { max_retries: HICCUPS, retry_timeout: HICCUPS_WITHIN, ..RetryConfig::default() };
        let store = AmazonS3Builder::from_env()
            .with_client_options(client.with_allow_http(endpoint.starts_with("http://")))
            .with_retry(retry)
            .with_bucket_name(bucket)
            .build()?;
        Ok(Self { url: url.to_owned(), store, prefix: Path::from(prefix) })
    }

    /// Where a file goes that has this path below the folder of sealed files.
    #[must_use]
    pub fn key(&self, path: &str) -> Path {
        let parts = path.split('/').map(object_store::path::PathPart::from);
        self.prefix.parts().chain(parts).collect()
    }

    /// The bucket, as anything that stores.
    #[must_use]
    pub fn store(&self) -> &dyn ObjectStore {
        &self.store
    }
}

fn split(url: &str) -> Option<(&str, &str)> {
    let (bucket, prefix) = url.strip_prefix(SCHEME).map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    ((3..=63).contains(&bucket.len()) && bucket.bytes().all(plain)).then_some((bucket, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_perhaps_a_prefix() {
        assert_eq!(split("s3://ticks"), Some(("ticks", "")));
        assert_eq!(split("s3://my-ticks/a/b"), Some(("my-ticks", "a/b")));
        for wrong in ["", "ticks", "s3://", "s3:///a", "https://ticks", "s3://Ticks", "s3://a b/c", "gs://ticks"] {
            assert_eq!(split(wrong), None, "{wrong}");
            let error = Target::new(wrong).unwrap_err().to_string();
            assert!(error.contains("spec.storage.archive.url") && error.contains("s3://bucket"), "{error}");
        }
    }
}
