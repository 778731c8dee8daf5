//! The volumes' claims. They outlive their MarketStream unless `whenDeleted: Delete` asks otherwise.

use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::ResourceExt;
use marketstream_crds::{MarketStream, WhenDeleted, names};

use super::{kept, owned};

pub(super) fn data(ms: &MarketStream) -> PersistentVolumeClaim {
    let storage = &ms.spec.storage;
    claim(ms, names::data_claim(&ms.name_any()), &storage.size, storage.storage_class_name.clone())
}

/// Only a sidecar has settings to keep.
pub(super) fn settings(ms: &MarketStream) -> Option<PersistentVolumeClaim> {
    let sidecar = ms.spec.gateway.sidecar.as_ref()?;
    let name = names::settings_claim(&ms.name_any(), sidecar.trading_mode);
    Some(claim(ms, name, &sidecar.settings.size, sidecar.settings.storage_class_name.clone()))
}

fn claim(ms: &MarketStream, name: String, size: &str, class: Option<String>) -> PersistentVolumeClaim {
    let metadata = match ms.spec.storage.when_deleted {
        WhenDeleted::Retain => kept(ms, name),
        WhenDeleted::Delete => owned(ms, name),
    };
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(size.to_owned()))].into()),
                ..Default::default()
            }),
            storage_class_name: class,
            ..Default::default()
        }),
        ..Default::default()
    }
}
