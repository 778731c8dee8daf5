//! A volume of a few megabytes that can really be full: memory of the node, in a pod that fills it when told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, LogParams, PostParams},
};
use marketstream_crds::names;
use serde_json::{from_value, json};

use crate::{cluster::Cluster, kill, scenario::Scenario, wait};

const START: Duration = Duration::from_secs(90);
const POD: &str = "ballast";
/// Where the pod has it.
const DIR: &str = "/volume";
/// What the claim asks for. The volume does not have it.
const CLAIMED: &str = "100Mi";

/// The volume, and the pod that holds it.
pub struct SmallVolume {
    cluster: Cluster,
    namespace: String,
    volume: String,
}

impl SmallVolume {
    /// Makes a volume of that size, such as `4Mi`, and the data claim of a MarketStream that is yet to be applied.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn for_data(s: &Scenario, marketstream: &str, size: &str) -> Result<Self> {
        let namespace = kill::privileged_namespace(&s.cluster, "e2e-volume-").await?;
        let volume = format!("{}-small", s.namespace);
        let small = Self { cluster: s.cluster.clone(), namespace, volume };
        match small.begin(s, marketstream, size).await {
            Ok(()) => Ok(small),
            Err(error) => {
                small.end().await?;
                Err(error)
            }
        }
    }

    async fn begin(&self, s: &Scenario, marketstream: &str, size: &str) -> Result<()> {
        let pod = from_value(json!({
            "metadata": {"name": POD},
            "spec": {
                "hostPID": true,
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": POD,
                    "image": self.cluster.image("e2e"),
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["hold", "--dir", DIR],
                    "securityContext": {"runAsUser": 0, "runAsGroup": 0},
                    "volumeMounts": [{"name": "volume", "mountPath": DIR}],
                }],
                "volumes": [{"name": "volume", "emptyDir": {"medium": "Memory", "sizeLimit": size}}],
            }
        }))?;
        kill::service_account(&self.cluster, &self.namespace).await?;
        let pods: Api<Pod> = self.cluster.api(&self.namespace);
        pods.create(&PostParams::default(), &pod).await.context("starting the pod with the small volume")?;
        let path = wait::answer("the small volume is there", START, async || {
            let log = pods.logs(POD, &LogParams::default()).await?;
            let path = log.lines().next().map(str::to_owned).context("it has not said where")?;
            ensure!(path.starts_with('/'), "{log}");
            Ok(path)
        })
        .await?;
        let node = pods.get(POD).await?.spec.and_then(|spec| spec.node_name).context("the pod is on no node")?;
        let claim = names::data_claim(marketstream);
        let volume: PersistentVolume = from_value(json!({
            "metadata": {"name": self.volume},
            "spec": {
                "capacity": {"storage": CLAIMED},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "claimRef": {"namespace": s.namespace, "name": claim},
                "hostPath": {"path": path},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchFields": [
                    {"key": "metadata.name", "operator": "In", "values": [node]},
                ]}]}},
            }
        }))?;
        Api::all(self.cluster.client.clone()).create(&PostParams::default(), &volume).await.context("the volume")?;
        // A claim with the labels of a child is taken for one, as after a delete that kept it.
        let claim: PersistentVolumeClaim = from_value(json!({
            "metadata": {
                "name": claim,
                "labels": {names::LABEL_MANAGED_BY: names::MANAGED_BY, names::LABEL_NAME: marketstream},
            },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": self.volume,
                "resources": {"requests": {"storage": CLAIMED}},
            }
        }))?;
        self.cluster.api(&s.namespace).create(&PostParams::default(), &claim).await.context("the claim")?;
        Ok(())
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// When the pod does not.
    pub async fn fill(&self) -> Result<()> {
        self.run("fill").await
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When the pod does not.
    pub async fn drop_ballast(&self) -> Result<()> {
        self.run("drop").await
    }

    async fn run(&self, command: &str) -> Result<()> {
        let program = "/usr/local/bin/marketstream-e2e";
        self.cluster.exec(&self.namespace, POD, POD, &[program, command, "--dir", DIR]).await.map(drop)
    }

    /// Removes it. Whoever has it mounted keeps it as long.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn end(&self) -> Result<()> {
        let parameters = DeleteParams::default();
        let volumes: Api<PersistentVolume> = Api::all(self.cluster.client.clone());
        if volumes.get_opt(&self.volume).await?.is_some_and(|volume| volume.name_any() == self.volume) {
            volumes.delete(&self.volume, &parameters).await?;
        }
        let namespaces: Api<Namespace> = Api::all(self.cluster.client.clone());
        namespaces.delete(&self.namespace, &parameters).await?;
        Ok(())
    }
}
