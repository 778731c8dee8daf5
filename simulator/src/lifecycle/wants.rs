//! What a request for data meets: the link, the farm, another session.

use super::{Kind, Life, Link};
use crate::faults::Refusal;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Tick-by-tick data.
    TickByTick,
    /// Market data or bars as they form.
    MarketData,
    /// The past.
    History,
    /// Contract details.
    Details,
}

impl Life {
    /// Whether a subscription of that time gets no data of a contract.
    #[must_use]
    pub fn withholds(&self, con_id: i32, since_us: i64) -> bool {
        self.upstream.outage.withholds(since_us)
            || self.displaced.withholds(since_us)
            || self.farms.withholds(con_id, since_us)
    }

    /// The error that a new request for a contract's data gets, if any.
    #[must_use]
    pub fn refusal(&self, kind: Wants, con_id: i32) -> Option<Refusal> {
        let refusal = |code, text: &str| Some(Refusal { code, text: text.to_owned() });
        if let Some(refusal) = self.competing_refusal(kind) {
            return Some(refusal);
        }
        let broken = |farm| self.upstream.outage.down || self.farms.is_down(con_id, farm);
        match kind {
            Wants::History if broken(Kind::History) => refusal(
                162,
                "Historical Market Data Service error message:HMDS connection attempt failed. Connection will be \
                 re-attempted...",
            ),
            Wants::Details if broken(Kind::Definitions) => {
                refusal(200, "No security definition has been found for the request")
            }
            _ => None,
        }
    }

    /// A contract's data are asked for: its farm is connected if it was not.
    pub fn want(&mut self, kind: Wants, con_id: i32) {
        let farm = if kind == Wants::History { Kind::History } else { Kind::MarketData };
        for (code, text) in self.farms.want(con_id, farm) {
            self.notice(code, text);
        }
    }

    /// What a client that comes in is told.
    #[must_use]
    pub fn greeting(&self) -> Vec<(i32, String)> {
        if self.upstream.outage.down {
            let text =
                "Connectivity between Trader Workstation and server is broken. It will be restored automatically.";
            return vec![(2110, text.to_owned())];
        }
        self.farms.notices()
    }

    /// A farm's link changes.
    ///
    /// # Errors
    /// When there is no such farm, with the names of those that are.
    pub fn set_farm(&mut self, name: &str, link: Link, kept: Option<bool>, now_us: i64) -> Result<(), String> {
        let kept = kept.unwrap_or(self.config.farm_keeps_subscriptions);
        match self.farms.set(name, link, kept, now_us) {
            Some((code, text)) => {
                self.notice(code, text);
                Ok(())
            }
            None => {
                let names: Vec<_> = self.farms.list().iter().map(|farm| farm.name).collect();
                Err(format!("there is no farm {name}: one of {}", names.join(", ")))
            }
        }
    }
}
