//! `kubectl marketstream`, as a person runs it.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::{api::PostParams, config::Kubeconfig};
use serde_json::{Value, from_value, json};
use tokio::task::spawn_blocking;

use crate::cluster::{Cluster, variable};

/// The variable with the program's path; `make` sets it.
const PROGRAM: &str = "KUBECTL_MARKETSTREAM";

/// The program, in one namespace.
pub struct Plugin {
    program: OsString,
    namespace: String,
    /// A kubeconfig of its own, instead of the administrator's.
    kubeconfig: Option<PathBuf>,
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // What is left in the folder for temporary files harms nobody.
        let _ = self.kubeconfig.as_ref().map(fs::remove_file);
    }
}

/// What a call left.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Plugin {
    /// The program of `KUBECTL_MARKETSTREAM`.
    ///
    /// # Errors
    /// When that is not set.
    pub fn new(namespace: &str) -> Result<Self> {
        let program = std::env::var_os(PROGRAM).with_context(|| format!("{PROGRAM} is not set: use make e2e"))?;
        Ok(Self { program, namespace: namespace.to_owned(), kubeconfig: None })
    }

    /// The program for a person who may do in the namespace what these rules of a Role say, and nothing else.
    ///
    /// # Errors
    /// When the API server refuses the Role, or the kubeconfig cannot be read or written.
    pub async fn limited(cluster: &Cluster, namespace: &str, rules: Value) -> Result<Self> {
        const PERSON: &str = "somebody";
        let meta = json!({"name": PERSON});
        let role: Role = from_value(json!({"metadata": meta, "rules": rules}))?;
        cluster.api::<Role>(namespace).create(&PostParams::default(), &role).await?;
        let binding: RoleBinding = from_value(json!({
            "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": PERSON},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": PERSON}],
        }))?;
        cluster.api::<RoleBinding>(namespace).create(&PostParams::default(), &binding).await?;

        let mut config = Kubeconfig::read().context("reading the kubeconfig")?;
        config.auth_infos.iter_mut().filter_map(|user| user.auth_info.as_mut()).for_each(|user| {
            user.impersonate = Some(PERSON.to_owned());
        });
        let path = std::env::temp_dir().join(format!("{namespace}.kubeconfig"));
        // It has the administrator's key.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut plugin = Self::new(namespace)?;
        plugin.kubeconfig = Some(path);
        serde_json::to_writer(file, &config)?;
        Ok(plugin)
    }

    /// Runs a subcommand.
    ///
    /// # Errors
    /// When it cannot be started. It has time limits of its own.
    pub async fn run(&self, words: &[&str]) -> Result<Outcome> {
        let mut command = Command::new(&self.program);
        command.args(words).args(["--namespace", &self.namespace]);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        if let Some(context) = variable("CONTEXT") {
            command.args(["--context", &context]);
        }
        let done = spawn_blocking(move || command.output()).await?;
        let done = done.with_context(|| format!("starting {}", self.program.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Outcome { code: done.status.code().unwrap_or(-1), output: text(&done.stdout), errors: text(&done.stderr) })
    }

    /// Runs a subcommand that must succeed, for programs.
    ///
    /// # Errors
    /// When it fails, or prints something else than JSON.
    pub async fn json(&self, words: &[&str]) -> Result<Value> {
        let done = self.run(&[words, &["-o", "json"]].concat()).await?;
        ensure!(done.code == 0, "{words:?}: {done:?}");
        serde_json::from_str(&done.output).with_context(|| format!("{words:?}: {done:?}"))
    }
}
