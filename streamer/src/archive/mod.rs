//! The archive: sealed files in S3-compatible storage (`spec.storage.archive`, docs/storage.md).
//!
//! [`target`] opens the storage, [`upload`] brings one file there, [`sync`] knows which files, and remembers what is
//! there. It runs in the sealing process, after the sealing.

pub mod sync;
pub mod target;
pub mod upload;
