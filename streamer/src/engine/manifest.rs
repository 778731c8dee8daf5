//! A new or changed manifest, taken in without disturbing what stays the same.

use marketstream_crds::{Gateway, MarketStreamSpec};

use super::{Engine, Manifest, contracts::ContractEntry};
use crate::{
    clock::Now,
    recorder::Cadence,
    session::endpoints::{ClientIds, endpoints},
};

impl Engine {
    pub(super) fn take_manifest(&mut self, manifest: Manifest) {
        let now = self.now();
        let Manifest { spec, client_id, action, late, acknowledged, retry_login, stored } = manifest;
        if let Some(request) = retry_login {
            self.request_login(request);
        }
        match &mut self.ids {
            Some(ids) => ids.update(spec.gateway.client_id, client_id),
            None => self.ids = Some(ClientIds::new(spec.gateway.client_id, client_id, self.tools.store.client_id())),
        }
        if self.spec.as_ref() != Some(&spec) {
            self.take_spec(spec, stored, now);
        }
        if !stored && let Some(action) = self.desk.receive(action.as_ref(), late, acknowledged.as_ref()) {
            self.carry_out(&action, now);
        }
    }

    fn take_spec(&mut self, spec: MarketStreamSpec, stored: bool, now: Now) {
        let moved = self.spec.as_ref().is_some_and(|old| other_gateway(&old.gateway, &spec.gateway));
        if !stored {
            self.keep_spec(&spec);
        }
        self.tools.feed.cadence(Cadence::from(&spec.storage));
        self.set_probe_interval(spec.gateway.probe_interval.get());
        self.take_contracts(&spec, now);
        self.take_streams(&spec, now);
        self.spec = Some(spec);
        self.end_left(now);
        self.plan_lines(now);
        if moved {
            tracing::info!("the manifest names another gateway");
            self.last_good = None;
            self.end_session(now);
        }
    }

    fn take_contracts(&mut self, spec: &MarketStreamSpec, now: Now) {
        self.contracts.retain(|name, _| spec.contracts.iter().any(|contract| contract.name == *name));
        for wanted in &spec.contracts {
            let entry = self.contracts.get_mut(&wanted.name);
            let Some(entry) = entry else {
                let kept = self.kept.get(&wanted.name).cloned();
                self.contracts.insert(wanted.name.clone(), ContractEntry::new(wanted.clone(), kept, now.mono));
                continue;
            };
            if entry.update(wanted, now.mono) {
                // Another instrument under the same name: its streams begin anew.
                self.streams.retain(|key, _| key.contract != wanted.name);
            }
        }
    }

    fn keep_spec(&self, spec: &MarketStreamSpec) {
        let (store, spec) = (self.tools.store.clone(), spec.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.keep_spec(&spec) {
                tracing::warn!(%error, "the spec cannot be kept on the volume");
            }
        });
    }
}

fn other_gateway(old: &Gateway, new: &Gateway) -> bool {
    let (mut old, mut new) = (endpoints(old, None), endpoints(new, None));
    old.sort_by_key(ToString::to_string);
    new.sort_by_key(ToString::to_string);
    old != new
}
