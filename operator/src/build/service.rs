//! The Service in front of the streamer's HTTP port.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt;
use marketstream_crds::{MarketStream, names};

use super::{owned, selector};

/// Name of the streamer's port.
pub(super) const HTTP: &str = "http";

pub(super) fn service(ms: &MarketStream) -> Service {
    Service {
        metadata: owned(ms, ms.name_any()),
        spec: Some(ServiceSpec {
            selector: Some(selector(ms)),
            // `/health` is needed exactly when `/readyz` is false.
            publish_not_ready_addresses: Some(true),
            ports: Some(vec![ServicePort {
                name: Some(HTTP.to_owned()),
                port: i32::from(names::STREAMER_PORT),
                target_port: Some(IntOrString::String(HTTP.to_owned())),
                protocol: Some("TCP".to_owned()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..Default::default()
    }
}
