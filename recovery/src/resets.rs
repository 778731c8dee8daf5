//! How strong level 3 is.

use marketstream_crds::{ActionKind, Incident, Reset, TradingMode};

use crate::{
    ladder::{Act, Ladder, Refusal, level},
    rules::{Rule, rule},
};

impl Ladder<'_> {
    /// The incident's next reset: each strength after the weaker one did not help, then from the weakest again.
    pub(crate) fn strength(&self, incident: &Incident) -> Act {
        let strengths = self.strengths(&rule(incident.cause));
        let last = incident.rungs.iter().rev().find(|rung| rung.level == level::RESET);
        // What a refused roll stands for is a roll.
        let used = last.map(|rung| rung.action.unwrap_or(ActionKind::RollPod));
        let used = used.and_then(|kind| strengths.iter().position(|strength| *strength == kind));
        let next = used.map_or(0, |used| (used + 1) % strengths.len().max(1));
        match strengths.get(next) {
            Some(ActionKind::RollPod) if self.costs_login() => Act::RefuseRoll(Refusal::Login),
            Some(kind) => Act::Do(*kind),
            None => Act::Tell,
        }
    }

    /// The resets that the cause, the spec and the gateway allow, the weakest first.
    pub(crate) fn strengths(&self, rule: &Rule) -> Vec<ActionKind> {
        let rolls = rule.reset.contains(&ActionKind::RollPod);
        let wanted = |kind: ActionKind| match self.reset() {
            // A cause that forbids it gets the strongest that it allows.
            Reset::RollPod => kind == ActionKind::RollPod || !rolls,
            Reset::Stepwise => true,
            Reset::Reconnect => kind == ActionKind::Reconnect,
        };
        let sidecar = self.view.spec.gateway.sidecar.is_some();
        let possible = |kind: ActionKind| match kind {
            // Nobody but its owner can restart an external gateway; a new pod is then no more than a new streamer.
            ActionKind::RollPod => sidecar || rule.reset.contains(&ActionKind::Reconnect),
            ActionKind::RestartGateway => sidecar && self.view.commands(),
            ActionKind::Reconnect | ActionKind::RestartStreams => true,
        };
        rule.reset.iter().copied().filter(|kind| wanted(*kind) && possible(*kind)).collect()
    }

    /// A live gateway keeps its login over a roll only if it hears the command to pause.
    fn costs_login(&self) -> bool {
        self.view.trading_mode() == Some(TradingMode::Live) && !self.view.commands()
    }

    /// `spec.recovery.reset`, or its default for the kind of gateway.
    fn reset(&self) -> Reset {
        let default = match self.view.trading_mode() {
            Some(TradingMode::Paper) => Reset::RollPod,
            Some(TradingMode::Live) => Reset::Stepwise,
            None => Reset::Reconnect,
        };
        self.view.spec.recovery.reset.unwrap_or(default)
    }
}
