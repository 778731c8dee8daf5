//! The login gate around the gateway's command: one static program, copied from the streamer's image into a volume,
//! so that it runs in whatever image the gateway is.

use k8s_openapi::{
    api::core::v1::{
        Container, EmptyDirVolumeSource, ExecAction, Lifecycle, LifecycleHandler, ResourceRequirements, Volume,
        VolumeMount,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use marketstream_crds::{Sidecar, TradingMode, names};

use super::{
    Settings,
    statefulset::{SETTINGS_PATH, confined, mount},
};

/// Where the streamer's image has the program.
const IN_IMAGE: &str = "/usr/local/bin/marketstream-gate";
const DIR: &str = "/gate";
const PROGRAM: &str = "/gate/marketstream-gate";
/// The count of logins lives on the settings volume: it must survive the pod.
const STATE_DIR: &str = "marketstream";
/// Settings template of gnzsnz/ib-gateway-docker, in which the command port is off.
const IBC_TEMPLATE: &str = "/home/ibgateway/ibc/config.ini.tmpl";
const PROGRAM_VOLUME: &str = "gate";
const SHARED_VOLUME: &str = "gateway-shared";
/// Room for two logs of 1 MiB each and the small files.
const SHARED_SIZE: &str = "8Mi";

/// Copies the program before the gateway's container starts.
pub(super) fn installer(settings: &Settings) -> Container {
    let little = |cpu: &str| {
        Some([("cpu", cpu), ("memory", "16Mi")].map(|(k, v)| (k.to_owned(), Quantity(v.to_owned()))).into())
    };
    Container {
        name: PROGRAM_VOLUME.to_owned(),
        image: Some(settings.streamer_image.clone()),
        image_pull_policy: settings.streamer_image_pull_policy.clone(),
        command: Some(words(&[IN_IMAGE, "install", PROGRAM])),
        resources: Some(ResourceRequirements { requests: little("10m"), ..Default::default() }),
        security_context: Some(confined(true)),
        volume_mounts: Some(vec![mount(PROGRAM_VOLUME, DIR, false)]),
        ..Default::default()
    }
}

/// The gateway's command, inside the gate.
pub(super) fn command(sidecar: &Sidecar) -> Vec<String> {
    let attempts = sidecar.login_attempts().to_string();
    let state = format!("{SETTINGS_PATH}/{STATE_DIR}");
    let port = names::COMMAND_PORT.to_string();
    let mut command = words(&[PROGRAM, "run", "--shared", names::GATEWAY_SHARED_PATH, "--state", &state]);
    command.extend(words(&["--max-login-attempts", &attempts, "--command-port", &port]));
    command.extend(words(&["--ibc-template", IBC_TEMPLATE]));
    if sidecar.trading_mode == TradingMode::Paper {
        command.push("--unattended".to_owned());
    }
    if let Some(weekly) = &sidecar.weekly_login {
        command.extend(["--weekly-login".to_owned(), format!("{:?} {}", weekly.day, weekly.start)]);
    }
    command.push("--".to_owned());
    command.extend(sidecar.command.clone());
    command
}

/// Before the gateway stops: the streamer finishes, then the login is saved.
pub(super) fn lifecycle() -> Lifecycle {
    let streamer = format!("127.0.0.1:{}", names::STREAMER_PORT);
    let port = format!("127.0.0.1:{}", names::COMMAND_PORT);
    let command = words(&[PROGRAM, "pre-stop", "--streamer", &streamer, "--command-port", &port]);
    Lifecycle {
        pre_stop: Some(LifecycleHandler { exec: Some(ExecAction { command: Some(command) }), ..Default::default() }),
        ..Default::default()
    }
}

/// What the gateway's container mounts.
pub(super) fn mounts() -> Vec<VolumeMount> {
    vec![mount(PROGRAM_VOLUME, DIR, true), shared()]
}

/// What the gateway's and the streamer's container both mount.
pub(super) fn shared() -> VolumeMount {
    mount(SHARED_VOLUME, names::GATEWAY_SHARED_PATH, false)
}

/// The volumes.
pub(super) fn volumes() -> [Volume; 2] {
    let scratch = |name: &str, size: Option<&str>| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: size.map(|size| Quantity(size.to_owned())),
            ..Default::default()
        }),
        ..Default::default()
    };
    [scratch(PROGRAM_VOLUME, None), scratch(SHARED_VOLUME, Some(SHARED_SIZE))]
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
