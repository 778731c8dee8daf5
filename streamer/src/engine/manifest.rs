//! A new or changed manifest, taken in without disturbing what stays the same.

use std::collections::BTreeMap;

use marketstream_crds::{Gateway, MarketStreamSpec};
use marketstream_recovery::codes::OWN_LIMIT;

use super::{
    Engine, Manifest,
    contracts::ContractEntry,
    stream::{Origin, StreamEntry},
    streams::AFTER_CANCEL,
};
use crate::{
    clock::Now,
    plan::{self, StreamKey},
    recorder::Cadence,
    session::endpoints::{ClientIds, endpoints},
};

impl Engine {
    pub(super) fn take_manifest(&mut self, manifest: Manifest) {
        let now = self.now();
        let Manifest { spec, client_id, action, acknowledged, retry_login, stored } = manifest;
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
        if !stored && let Some(action) = self.desk.receive(action.as_ref(), acknowledged.as_ref()) {
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

    fn take_streams(&mut self, spec: &MarketStreamSpec, now: Now) {
        self.place_streams(spec, now);
        let (up, held) = (self.client().is_some(), self.hold.is_some());
        // A changed manifest is also a reason to try what was refused.
        for stream in self.streams.values_mut().filter(|stream| stream.lined && !stream.is_running()) {
            stream.wanted_at = (up && !held).then_some(now.mono);
        }
    }

    /// The streams that the manifest asks for, of the contracts that are recorded now; and those of the contracts that
    /// follow, as far as lines are left.
    pub(super) fn place_streams(&mut self, spec: &MarketStreamSpec, now: Now) {
        let rolls = |key: &StreamKey| self.contracts.get(&key.contract).map_or(0, |entry| entry.rolling.count);
        let planned: BTreeMap<StreamKey, bool> =
            plan::streams(spec).into_iter().map(|(key, lined)| (key.after(rolls(&key)), lined)).collect();
        let used = planned.values().filter(|lined| **lined).count();
        let spare = usize::try_from(spec.limits.tick_by_tick).unwrap_or(0).saturating_sub(used);
        let rolling =
            |key: &StreamKey| self.contracts.get(&key.contract).is_some_and(|entry| entry.rolling.next.is_some());
        let next: BTreeMap<StreamKey, bool> = planned
            .iter()
            .filter(|(key, lined)| **lined && rolling(key))
            .map(|(key, _)| (key.after(key.roll + 1), true))
            .take(spare)
            .collect();
        self.streams.retain(|key, _| planned.contains_key(key) || next.contains_key(key));
        let at = (self.client().is_some() && self.hold.is_none()).then_some(now.mono + AFTER_CANCEL);
        for (key, lined) in planned.into_iter().chain(next) {
            let stream = self.streams.entry(key).or_insert_with(|| {
                let mut stream = StreamEntry::new(lined, now);
                // Another stream may have just given its line up.
                stream.wanted_at = at.filter(|_| lined);
                stream
            });
            if lined && stream.is_refused_by(Origin::Lines) {
                stream.lift_refusal();
                stream.error = None;
            }
            if !lined {
                stream.cancel();
                stream.wanted_at = None;
                if !stream.is_refused_by(Origin::Lines) {
                    stream.refuse(Origin::Lines, OWN_LIMIT, &no_line(spec), now);
                }
            }
            stream.lined = lined;
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

fn no_line(spec: &MarketStreamSpec) -> String {
    format!(
        "no tick-by-tick line is left: spec.limits.tickByTick is {}; raise it if the account has more lines, raise the \
         priority of this contract, or record fewer streams",
        spec.limits.tick_by_tick
    )
}
