//! The streamer without Kubernetes: the manifest is a file, and the ladder runs in this process.

mod file;
mod ladder;
pub mod manifest;
pub mod schema;
pub mod seed;

use std::{fs, path::Path, process, sync::Arc};

use anyhow::Context;
use jiff::Timestamp;
use marketstream_recovery::Policy;
use tokio::sync::watch;

use self::{file::File, ladder::Ladder, manifest::Reader, seed::Seed};
use crate::{cli::RunArgs, run::with_core, status::Identity, store::Store};

/// Records by a manifest, until a signal.
///
/// # Errors
/// When the manifest or the policy is not valid, or something cannot be started.
pub fn run(args: &RunArgs, seed: Seed) -> anyhow::Result<()> {
    let policy = args.policy.as_deref().map_or_else(|| Ok(Policy::default()), policy)?;
    let reader = Reader::new(seed);
    let (file, manifest) = File::open(args.manifest.clone(), reader)?;
    let started = Timestamp::now();
    // Each process is another one to its actions, as each pod is.
    let pod_uid = format!("{}-{}", started.as_millisecond(), process::id());
    let identity = Identity { pod: manifest.name.clone(), pod_uid };
    tracing::info!(name = manifest.name, "recording without Kubernetes");
    with_core(args, &identity, "ladder", async |core, heart, stop| {
        let (wanted, newest) = watch::channel(Arc::new(manifest));
        let ladder = Ladder {
            facts: core.facts(),
            identity: identity.clone(),
            started,
            policy,
            store: Store::new(&args.data_dir),
            manifests: core.manifests(),
            recovery: core.recovery(),
            heart,
        };
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = ladder.run(newest) => Ok(()),
            followed = file.follow(wanted, core.recovery()) => followed,
        }
    })
}

fn policy(path: &Path) -> anyhow::Result<Policy> {
    let read = || anyhow::Ok(serde_saphyr::from_str(&fs::read_to_string(path)?)?);
    read().with_context(|| format!("--policy {}", path.display()))
}
