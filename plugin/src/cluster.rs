//! The cluster, with the caller's own rights.

use anyhow::{Context, Result, anyhow, bail};
use kube::{Api, Client, Config, api::ApiResource, config::KubeConfigOptions};
use marketstream_crds::MarketStream;

/// A cluster and the namespace that the caller means.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Cluster {
    /// Connects as kubectl would.
    pub(crate) async fn connect(context: Option<String>, namespace: Option<String>) -> Result<Self> {
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        // Its text has its sources in it.
        let config = Config::from_kubeconfig(&options).await.map_err(|error| anyhow!("the kubeconfig: {error}"))?;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self { client: Client::try_from(config).context("the kubeconfig")?, namespace })
    }

    pub(crate) fn marketstreams(&self) -> Api<MarketStream> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Reads a MarketStream; says what to do when there is none.
    pub(crate) async fn marketstream(&self, name: &str) -> Result<MarketStream> {
        match self.marketstreams().get(name).await {
            Ok(found) => Ok(found),
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                let kind = ApiResource::erase::<MarketStream>(&());
                bail!(
                    "no {} {name:?} in namespace {:?}; `kubectl get {} -A` lists all",
                    kind.kind,
                    self.namespace,
                    kind.plural
                )
            }
            Err(error) => Err(said(error)).with_context(|| format!("reading MarketStream {name:?}")),
        }
    }
}

/// What the API server says, in its own words only: kube's text has the whole answer in it.
pub(crate) fn said(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow!("{}", status.message.trim_end()),
        kube::Error::Service(why) => anyhow::Error::from_boxed(why).context("the API server does not answer"),
        other => other.into(),
    }
}
