//! The cluster that everything runs on.

use std::{fmt::Debug, time::Duration};

use anyhow::{Context, Result, bail};
use http::{Method, Request, header};
use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource, api::AttachParams, config::KubeConfigOptions};
use serde::de::DeserializeOwned;
use tokio::{io::AsyncReadExt, time::timeout};

/// Longest time for one request that is not a watch.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// A client with a user's rights, and where the images are.
#[derive(Clone)]
pub struct Cluster {
    /// The client, as the kubeconfig's user.
    pub client: Client,
    image_prefix: String,
    tag: String,
}

impl Cluster {
    /// Connects to the cluster of `KUBECONFIG` and, when that is set, `CONTEXT`. Images are
    /// `IMAGE_PREFIX/NAME:MARKETSTREAM_TAG`.
    ///
    /// # Errors
    /// When there is no kubeconfig or the context is not in it.
    pub async fn connect() -> Result<Self> {
        let config = config().await?;
        let client = Client::try_from(config).context("making a client from the kubeconfig")?;
        let cluster = Self {
            client,
            image_prefix: variable("IMAGE_PREFIX").unwrap_or_else(|| "localhost/marketstream".to_owned()),
            tag: variable("MARKETSTREAM_TAG").unwrap_or_else(|| "dev".to_owned()),
        };
        cluster.client.apiserver_version().await.context("the API server of the kubeconfig does not answer")?;
        Ok(cluster)
    }

    /// A client that acts as somebody else, such as a service account.
    ///
    /// # Errors
    /// When there is no kubeconfig or the context is not in it.
    pub async fn impersonate(user: &str) -> Result<Client> {
        let mut config = config().await?;
        config.auth_info.impersonate = Some(user.to_owned());
        Client::try_from(config).context("making a client that impersonates")
    }

    /// One of this project's images.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}:{}", self.image_prefix, self.tag)
    }

    /// The API of one kind in one namespace.
    #[must_use]
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Any request of the API server, answered by text.
    ///
    /// # Errors
    /// When it is not answered in time, or by an error.
    pub async fn request(&self, method: Method, path: &str, accept: &str, body: Vec<u8>) -> Result<String> {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)?;
        timeout(REQUEST_LIMIT, self.client.request_text(request))
            .await
            .with_context(|| format!("{method} {path}: no answer within {REQUEST_LIMIT:?}"))?
            .with_context(|| format!("{method} {path}"))
    }

    /// A GET that is answered by JSON.
    ///
    /// # Errors
    /// When it is not answered in time, by an error, or by something else.
    pub async fn get<T: DeserializeOwned + Debug>(&self, path: &str, accept: &str) -> Result<T> {
        let text = self.request(Method::GET, path, accept, Vec::new()).await?;
        serde_json::from_str(&text).with_context(|| format!("GET {path}: {text:.200}"))
    }

    /// Runs a command in a container, and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started, does not end in time, or ends with another code than 0.
    pub async fn exec(&self, namespace: &str, pod: &str, container: &str, command: &[&str]) -> Result<String> {
        timeout(REQUEST_LIMIT, self.run(namespace, pod, container, command))
            .await
            .with_context(|| format!("{command:?} in {pod}: not done within {REQUEST_LIMIT:?}"))?
            .with_context(|| format!("{command:?} in {namespace}/{pod} ({container})"))
    }

    async fn run(&self, namespace: &str, pod: &str, container: &str, command: &[&str]) -> Result<String> {
        let pods: Api<k8s_openapi::api::core::v1::Pod> = self.api(namespace);
        let parameters = AttachParams::default().container(container).stdout(true).stderr(true);
        let mut process = pods.exec(pod, command.iter().copied(), &parameters).await?;
        let status = process.take_status().context("no status of the command")?;
        let (mut out, mut err) = (String::new(), String::new());
        let mut stdout = process.stdout().context("no output of the command")?;
        let mut stderr = process.stderr().context("no error output of the command")?;
        tokio::try_join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err))?;
        match status.await {
            Some(status) if status.status.as_deref() == Some("Success") => Ok(out),
            status => bail!("{}: {err}", status.and_then(|status| status.message).unwrap_or_default()),
        }
    }
}

/// A variable of the environment; an empty one counts as absent, as in make.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn config() -> Result<Config> {
    let options = KubeConfigOptions { context: variable("CONTEXT"), ..KubeConfigOptions::default() };
    Config::from_kubeconfig(&options).await.context("reading the kubeconfig: set KUBECONFIG (and CONTEXT)")
}
