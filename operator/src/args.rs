//! Command line and environment.

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use marketstream_recovery::Policy;

use crate::build::Settings;

/// The MarketStream operator.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// Image of the streamer's container.
    #[arg(long, env = "STREAMER_IMAGE")]
    pub streamer_image: String,
    /// Pull policy of the streamer's image.
    #[arg(long, env = "STREAMER_IMAGE_PULL_POLICY")]
    pub streamer_image_pull_policy: Option<String>,
    /// Watch this namespace; may be repeated. Default: all namespaces.
    #[arg(long = "watch-namespace", env = "WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Overrides of the ladder's constants (YAML), for tests.
    #[arg(long)]
    pub policy: Option<PathBuf>,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Lead only while holding the Lease of this name.
    #[arg(long, env = "LEADER_ELECTION_LEASE")]
    pub lease: Option<String>,
    /// Name of this pod, as the identity in the Lease and in events.
    #[arg(long, env = "POD_NAME", default_value = "marketstream-operator")]
    pub pod_name: String,
    /// Reconciles under way at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Form of the logs.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Form of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Args {
    /// The ladder's constants.
    ///
    /// # Errors
    /// When the policy file cannot be read or has a field that does not exist.
    pub fn policy(&self) -> anyhow::Result<Policy> {
        let Some(path) = &self.policy else { return Ok(Policy::default()) };
        let text = fs::read_to_string(path).with_context(|| format!("--policy {}", path.display()))?;
        if text.trim().is_empty() {
            return Ok(Policy::default());
        }
        serde_saphyr::from_str(&text).with_context(|| format!("--policy {}", path.display()))
    }

    /// What the operator decides for all MarketStreams.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            streamer_image: self.streamer_image.clone(),
            streamer_image_pull_policy: self.streamer_image_pull_policy.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_file_overrides_what_it_names_and_nothing_else() {
        let policy: Policy = serde_saphyr::from_str("settle: 2s\nrollsPerDay: 3\n").unwrap();
        assert_eq!((policy.settle.to_string().as_str(), policy.rolls_per_day), ("2s", 3));
        assert_eq!(policy.verify_roll, Policy::default().verify_roll);
    }

    #[test]
    fn a_misspelt_constant_is_refused_by_name() {
        let error = serde_saphyr::from_str::<Policy>("setle: 2s\n").unwrap_err().to_string();
        assert!(error.contains("setle"), "{error}");
    }
}
