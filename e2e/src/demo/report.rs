//! The demo's numbers: as JSON for machines, as a table for people.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result, ensure};
use ib_gateway_sim::judge::Counts;
use serde::{Serialize, Serializer};

/// Later than this after it was due, a rung counts as not working: far beyond the budget of a second, because a busy
/// machine is not a fault of the ladder.
const LATEST_S: f64 = 5.0;

/// The demo's numbers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// What became of the ticks.
    pub(super) ticks: Ticks,
    /// From the apply until a tick was received that is stored, in seconds.
    #[serde(serialize_with = "milliseconds")]
    pub(super) time_to_first_tick_s: f64,
    /// Every rung that fired, outage by outage.
    pub(super) rungs: Vec<Rung>,
    /// How long data took to flow again, outage by outage.
    pub(super) recovered: Vec<Recovered>,
}

/// What became of the ticks that the gateway had for this login.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ticks {
    /// Sent, or withheld by an outage.
    pub(super) sent: u64,
    /// Stored.
    pub(super) stored: u64,
    /// Of these: what the outages had cost, fetched from history. For people only.
    #[serde(skip)]
    pub(super) fetched: u64,
    /// Not stored.
    pub(super) missing: u64,
    /// Stored more than once.
    pub(super) doubled: u64,
}

impl Ticks {
    /// By the judge's counts; so many of them came from history.
    pub(super) fn new(counts: Counts, fetched: u64) -> Self {
        Self {
            sent: counts.generated,
            stored: counts.stored,
            fetched,
            missing: counts.missing_of_generated,
            doubled: counts.doubled,
        }
    }
}

/// A rung that fired.
#[derive(Debug, Serialize)]
pub(super) struct Rung {
    /// 1 to 4.
    pub(super) level: u8,
    /// From the manifest, in seconds of silence.
    #[serde(serialize_with = "milliseconds")]
    pub(super) threshold_s: f64,
    /// When it fired, in seconds of silence.
    #[serde(serialize_with = "milliseconds")]
    pub(super) fired_after_s: f64,
    /// How long after it was due. Not in the JSON: where no earlier action is being verified, it is the difference.
    #[serde(skip)]
    pub(super) late_s: f64,
    /// API client ID that the streamer reported before it.
    pub(super) client_id_before: i32,
    /// API client ID that the streamer reported after it.
    pub(super) client_id_after: i32,
    /// Whether another pod reported after it.
    pub(super) pod_replaced: bool,
}

/// The end of an outage.
#[derive(Debug, Serialize)]
pub(super) struct Recovered {
    /// The level that helped; after 4, it is the gateway that lets data return.
    pub(super) after_level: u8,
    /// From then until all streams flowed.
    #[serde(serialize_with = "milliseconds")]
    pub(super) seconds: f64,
}

impl Report {
    /// Writes the JSON.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let directory = path.parent().context("no directory for the report")?;
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// The table.
    pub(super) fn summary(&self) -> String {
        let Ticks { sent, stored, fetched, missing, doubled } = self.ticks;
        let mut text = format!(
            "SUMMARY\n  first tick stored   {:.1} s after the manifest was applied\n  ticks               \
             {sent} of the gateway, {stored} stored ({fetched} of them from history), {missing} missing, {doubled} \
             doubled\n\n  \
             LEVEL   THRESHOLD   FIRED AFTER   AFTER IT WAS DUE   CLIENT ID    POD\n",
            self.time_to_first_tick_s
        );
        for rung in &self.rungs {
            let client = match (rung.client_id_before, rung.client_id_after) {
                (before, after) if before == after => after.to_string(),
                (before, after) => format!("{before} to {after}"),
            };
            let _ = writeln!(
                text,
                "  {:<8}{:>7.1} s {:>11.2} s {:>16.2} s   {client:<13}{}",
                rung.level,
                rung.threshold_s,
                rung.fired_after_s,
                rung.late_s,
                if rung.pod_replaced { "replaced" } else { "the same" },
            );
        }
        text.push('\n');
        for Recovered { after_level, seconds } in &self.recovered {
            let after = match after_level {
                4 => "the gateway let them".to_owned(),
                level => format!("level {level} acted"),
            };
            let _ = writeln!(text, "  data flowed {seconds:>5.1} s after {after}");
        }
        text
    }

    /// Whether everything happened as it should.
    pub(super) fn verdict(&self) -> Result<()> {
        ensure!(self.ticks.stored > 0, "no tick was stored");
        ensure!(self.ticks.doubled == 0, "{} ticks are stored more than once", self.ticks.doubled);
        ensure!(self.ticks.missing == 0, "{} ticks are missing", self.ticks.missing);
        ensure!(self.ticks.fetched > 0, "history gave nothing back of what the outages cost");
        for rung in &self.rungs {
            let Rung { level, late_s, .. } = rung;
            ensure!(rung.fired_after_s >= rung.threshold_s, "level {level} fired before its threshold");
            ensure!(*late_s <= LATEST_S, "level {level} fired {late_s:.1} s after it was due");
            let reset = *level == 3;
            ensure!(rung.pod_replaced == reset, "level {level}: the pod was replaced: {}", rung.pod_replaced);
            let changed = rung.client_id_before != rung.client_id_after;
            ensure!(changed == reset, "level {level}: the client ID changed: {changed}");
        }
        Ok(())
    }
}

fn milliseconds<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((seconds * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Report {
        Report {
            ticks: Ticks { sent: 10, stored: 10, fetched: 2, missing: 0, doubled: 0 },
            time_to_first_tick_s: 4.20049,
            rungs: vec![Rung {
                level: 3,
                threshold_s: 24.0,
                fired_after_s: 24.31,
                late_s: 0.31,
                client_id_before: 851,
                client_id_after: 852,
                pod_replaced: true,
            }],
            recovered: vec![Recovered { after_level: 3, seconds: 5.5 }],
        }
    }

    #[test]
    fn the_json_has_exactly_the_agreed_fields() {
        let value = serde_json::to_value(report()).unwrap();
        let expected = json!({
            "ticks": {"sent": 10, "stored": 10, "missing": 0, "doubled": 0},
            "time_to_first_tick_s": 4.2,
            "rungs": [{
                "level": 3, "threshold_s": 24.0, "fired_after_s": 24.31,
                "client_id_before": 851, "client_id_after": 852, "pod_replaced": true,
            }],
            "recovered": [{"after_level": 3, "seconds": 5.5}],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn the_summary_fits_the_screen() {
        let text = report().summary();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("851 to 852"), "{text}");
    }

    #[test]
    fn what_did_not_happen_as_it_should_is_an_error() {
        report().verdict().unwrap();
        let early = |report: &mut Report| report.rungs[0].fired_after_s = 23.9;
        let late = |report: &mut Report| report.rungs[0].late_s = 5.1;
        let same_pod = |report: &mut Report| report.rungs[0].pod_replaced = false;
        let doubled = |report: &mut Report| report.ticks.doubled = 1;
        for spoil in [early as fn(&mut Report), late, same_pod, doubled] {
            let mut spoiled = report();
            spoil(&mut spoiled);
            spoiled.verdict().unwrap_err();
        }
    }
}
