//! The StatefulSet of one pod: the gateway as a native sidecar, and the streamer. Never two pods with one login.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy},
        core::v1::{
            Capabilities, ConfigMapProjection, Container, ContainerPort, DownwardAPIProjection, DownwardAPIVolumeFile,
            EnvVar, EnvVarSource, HTTPGetAction, KeyToPath, ObjectFieldSelector, PersistentVolumeClaimVolumeSource,
            PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource, ResourceRequirements,
            SeccompProfile, SecretKeySelector, SecurityContext, ServiceAccountTokenProjection, Volume, VolumeMount,
            VolumeProjection,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use kube::ResourceExt;
use marketstream_crds::{CompetingSession, MarketStream, PodSettings, Sidecar, TradingMode, names};

use super::{Settings, gate, labels, owned, rbac, selector, service};

/// User and group of both containers; the common gateway images run as 1000, and the volumes must be writable to it.
const USER: i64 = 1000;
/// Time for the gateway to save its login token and for the streamer to flush.
const TERMINATION_GRACE_SECONDS: i64 = 120;
const DATA_PATH: &str = "/data";
pub(super) const SETTINGS_PATH: &str = "/home/ibgateway/settings";
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The gateway image's variable of the user name.
pub const USER_VARIABLE: &str = "TWS_USERID";
/// What the archive's Secret may have: the settings of S3 clients.
const ARCHIVE_KEYS: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
];
/// The kubelet renews the token long before it ends.
const TOKEN_SECONDS: i64 = 3607;

pub(super) fn stateful_set(ms: &MarketStream, settings: &Settings, run: bool) -> StatefulSet {
    StatefulSet {
        metadata: owned(ms, ms.name_any()),
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::from(run)),
            service_name: Some(ms.name_any()),
            selector: LabelSelector { match_labels: Some(selector(ms)), ..Default::default() },
            // The operator decides when a changed template may cost a gap in the data.
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            template: template(ms, settings),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A function of the spec and the streamer's image only: contracts, thresholds and client IDs are read live, and a
/// change of them must never replace the pod.
fn template(ms: &MarketStream, settings: &Settings) -> PodTemplateSpec {
    let PodSettings { node_selector, tolerations, affinity, priority_class_name, image_pull_secrets, .. } =
        ms.spec.pod.clone();
    let gateway = ms.spec.gateway.sidecar.as_ref();
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels(ms)), ..Default::default() }),
        spec: Some(PodSpec {
            service_account_name: Some(rbac::streamer(ms)),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(TERMINATION_GRACE_SECONDS),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(USER),
                run_as_group: Some(USER),
                fs_group: Some(USER),
                fs_group_change_policy: Some("OnRootMismatch".to_owned()),
                seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..Default::default() }),
                ..Default::default()
            }),
            init_containers: gateway.map(|sidecar| vec![gate::installer(settings), gateway_container(sidecar)]),
            containers: vec![streamer_container(ms, settings, gateway.is_some())],
            volumes: Some(volumes(ms, gateway)),
            node_selector: (!node_selector.is_empty()).then_some(node_selector),
            tolerations: non_empty(tolerations),
            affinity,
            priority_class_name,
            image_pull_secrets: non_empty(image_pull_secrets),
            ..Default::default()
        }),
    }
}

fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Environment of the common gateway images (gnzsnz/ib-gateway-docker documents these variables).
fn gateway_container(sidecar: &Sidecar) -> Container {
    let credentials = &sidecar.credentials_secret_ref;
    let mode = match sidecar.trading_mode {
        TradingMode::Paper => "paper",
        TradingMode::Live => "live",
    };
    let existing_session = match sidecar.competing_session {
        CompetingSession::Yield => "secondary",
        CompetingSession::Primary => "primary",
    };
    let mut env = vec![
        secret(USER_VARIABLE, &credentials.name, &credentials.username_key),
        secret("TWS_PASSWORD", &credentials.name, &credentials.password_key),
        value("TRADING_MODE", mode),
        value("READ_ONLY_API", "yes"),
        value("TWS_SETTINGS_PATH", SETTINGS_PATH),
        value("TIME_ZONE", &sidecar.time_zone),
        value("TZ", &sidecar.time_zone),
        value("AUTO_RESTART_TIME", &sidecar.auto_restart_time),
        value("EXISTING_SESSION_DETECTED_ACTION", existing_session),
    ];
    env.retain(|own| sidecar.env.iter().all(|given| given.name != own.name));
    env.extend(sidecar.env.clone());
    Container {
        name: names::GATEWAY_CONTAINER.to_owned(),
        image: Some(sidecar.image.clone()),
        command: Some(gate::command(sidecar)),
        lifecycle: Some(gate::lifecycle()),
        // A native sidecar: it starts before the streamer, outlives its restarts, and stops after it.
        restart_policy: Some("Always".to_owned()),
        env: Some(env),
        resources: sidecar.resources.clone(),
        security_context: Some(confined(false)),
        volume_mounts: Some([vec![mount("settings", SETTINGS_PATH, false)], gate::mounts()].concat()),
        ..Default::default()
    }
}

fn streamer_container(ms: &MarketStream, settings: &Settings, sidecar: bool) -> Container {
    let mut mounts = vec![mount("data", DATA_PATH, false), mount("token", TOKEN_PATH, true)];
    mounts.extend(sidecar.then(gate::shared));
    let mut env = vec![
        value("MARKETSTREAM_NAME", &ms.name_any()),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_UID", "metadata.uid"),
    ];
    let archive = ms.spec.storage.archive.as_ref();
    env.extend(
        archive.iter().flat_map(|archive| ARCHIVE_KEYS.map(|key| optional(secret(key, &archive.secret_name, key)))),
    );
    Container {
        name: names::STREAMER_CONTAINER.to_owned(),
        image: Some(settings.streamer_image.clone()),
        image_pull_policy: settings.streamer_image_pull_policy.clone(),
        args: Some(vec!["run".to_owned()]),
        env: Some(env),
        ports: Some(vec![ContainerPort {
            name: Some(service::HTTP.to_owned()),
            container_port: i32::from(names::STREAMER_PORT),
            protocol: Some("TCP".to_owned()),
            ..Default::default()
        }]),
        // Liveness never depends on data: a data fault must not restart the recorder.
        liveness_probe: Some(probe("/livez", 10, 3)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        resources: Some(ms.spec.pod.streamer_resources.clone().unwrap_or_else(streamer_resources)),
        security_context: Some(confined(true)),
        volume_mounts: Some(mounts),
        ..Default::default()
    }
}

/// Memory: 32 MiB with 100 streams is the budget; the limit leaves room for a burst.
fn streamer_resources() -> ResourceRequirements {
    let quantities = |list: &[(&str, &str)]| {
        Some(
            list.iter()
                .map(|(name, quantity)| ((*name).to_owned(), Quantity((*quantity).to_owned())))
                .collect::<BTreeMap<_, _>>(),
        )
    };
    ResourceRequirements {
        requests: quantities(&[("cpu", "50m"), ("memory", "32Mi")]),
        limits: quantities(&[("memory", "256Mi")]),
        ..Default::default()
    }
}

fn volumes(ms: &MarketStream, gateway: Option<&Sidecar>) -> Vec<Volume> {
    let claim = |name: &str, claim: String| Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource { claim_name: claim, ..Default::default() }),
        ..Default::default()
    };
    let mut volumes = vec![claim("data", names::data_claim(&ms.name_any())), token()];
    if let Some(sidecar) = gateway {
        volumes.push(claim("settings", names::settings_claim(&ms.name_any(), sidecar.trading_mode)));
        volumes.extend(gate::volumes());
    }
    volumes
}

/// The service account's token, as the kubelet would mount it into every container.
fn token() -> Volume {
    let sources = vec![
        VolumeProjection {
            service_account_token: Some(ServiceAccountTokenProjection {
                path: "token".to_owned(),
                expiration_seconds: Some(TOKEN_SECONDS),
                ..Default::default()
            }),
            ..Default::default()
        },
        VolumeProjection {
            config_map: Some(ConfigMapProjection {
                name: "kube-root-ca.crt".to_owned(),
                items: Some(vec![KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), mode: None }]),
                ..Default::default()
            }),
            ..Default::default()
        },
        VolumeProjection {
            downward_api: Some(DownwardAPIProjection {
                items: Some(vec![DownwardAPIVolumeFile {
                    path: "namespace".to_owned(),
                    field_ref: Some(field_ref("metadata.namespace")),
                    ..Default::default()
                }]),
            }),
            ..Default::default()
        },
    ];
    Volume {
        name: "token".to_owned(),
        projected: Some(ProjectedVolumeSource { sources: Some(sources), ..Default::default() }),
        ..Default::default()
    }
}

pub(super) fn confined(read_only_root: bool) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: read_only_root.then_some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        ..Default::default()
    }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(service::HTTP.to_owned()),
            ..Default::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Default::default()
    }
}

pub(super) fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..Default::default()
    }
}

fn value(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

fn field(name: &str, path: &str) -> EnvVar {
    let source = EnvVarSource { field_ref: Some(field_ref(path)), ..Default::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}

fn field_ref(path: &str) -> ObjectFieldSelector {
    ObjectFieldSelector { field_path: path.to_owned(), api_version: None }
}

/// A Secret that is not there, or lacks the key, keeps no pod from recording.
fn optional(mut variable: EnvVar) -> EnvVar {
    if let Some(key) = variable.value_from.as_mut().and_then(|source| source.secret_key_ref.as_mut()) {
        key.optional = Some(true);
    }
    variable
}

fn secret(name: &str, secret: &str, key: &str) -> EnvVar {
    let selector = SecretKeySelector { name: secret.to_owned(), key: key.to_owned(), optional: None };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { secret_key_ref: Some(selector), ..Default::default() }),
    }
}
