use super::clocks::utc;
use super::*;
use crate::market::catalog::Catalog;

const S: i64 = 1_000_000;

/// A Tuesday noon.
fn noon() -> i64 {
    utc("2026-11-24T12:00:00Z")
}

fn life_with(config: LifeConfig, remembered: Remembered, token: Option<Token>, now_us: i64) -> Life {
    let start = Start {
        credentials: Credentials::Given,
        login_us: 0,
        zone: TimeZone::UTC,
        farms: Farms::of(&Catalog::on(jiff::civil::date(2026, 11, 24))),
        remembered,
        token,
    };
    let mut life = Life::start(config, start, now_us);
    life.step(now_us);
    life
}

fn live() -> LifeConfig {
    LifeConfig { mode: Mode::Live, ..LifeConfig::default() }
}

/// The log's lines, and the exit code.
fn said(life: &mut Life) -> (String, Option<i32>) {
    let mut lines = String::new();
    let mut code = None;
    for effect in life.take_effects() {
        match effect {
            Effect::Line(line) => lines += &(line + "\n"),
            Effect::Exit(exit) => code = Some(exit),
            _ => {}
        }
    }
    (lines, code)
}

fn notices(life: &mut Life) -> Vec<i32> {
    let code = |effect| match effect {
        Effect::Notice(code, _) => Some(code),
        _ => None,
    };
    life.take_effects().into_iter().filter_map(code).collect()
}

fn saved(life: &mut Life) -> Option<Token> {
    life.take_effects().into_iter().find_map(|effect| match effect {
        Effect::SaveToken(token) => Some(token),
        _ => None,
    })
}

#[test]
fn a_paper_login_needs_nobody_and_a_live_one_a_second_factor() {
    let mut paper = life_with(LifeConfig::default(), Remembered::default(), None, noon());
    assert!(paper.is_up());
    let (lines, _) = said(&mut paper);
    assert!(lines.contains("Login has completed") && lines.contains("Configuration tasks completed"), "{lines}");
    let mut life = life_with(live(), Remembered::default(), None, noon());
    assert!(!life.is_up());
    let (lines, _) = said(&mut life);
    assert!(lines.contains("autorestart file not found: full authentication will be required"), "{lines}");
    assert!(lines.contains("Second Factor Authentication initiated"), "{lines}");
    assert!(life.confirm(noon() + 179 * S) && life.is_up());
    assert!(!life.confirm(noon() + 179 * S));
}

#[test]
fn nobody_confirms() {
    let mut life = life_with(live(), Remembered::default(), None, noon());
    life.step(noon() + 180 * S);
    let (lines, code) = said(&mut life);
    assert!(code == Some(87) && lines.contains("IBC returned exit status 87"), "{lines}");
    for config in [
        LifeConfig { second_factor_timeout: TimeoutAction::Restart, ..live() },
        LifeConfig { relogin_after_timeout: true, ..live() },
    ] {
        let mut life = life_with(config, Remembered::default(), None, noon());
        life.step(noon() + 180 * S);
        let (lines, code) = said(&mut life);
        assert!(code.is_none() && lines.contains("IBC: Login attempt: 2"), "{lines}");
        life.step(noon() + 181 * S);
        assert!(life.confirm(noon() + 181 * S));
    }
    let mut life = life_with(LifeConfig { login_hangs: true, ..live() }, Remembered::default(), None, noon());
    life.step(noon() + 60 * S);
    assert_eq!(said(&mut life).1, Some(88));
}

#[test]
fn a_token_spares_the_second_factor_until_the_week_ends() {
    let mut life = life_with(live(), Remembered::default(), None, noon());
    assert!(life.confirm(noon()));
    life.take_effects();
    life.command("PAUSE", noon() + S);
    let token = saved(&mut life);
    assert_eq!(token, Some(Token { login_us: noon() }));
    let saturday = utc("2026-11-28T12:00:00Z");
    assert!(life_with(live(), Remembered::default(), token, saturday).is_up());
    let sunday = utc("2026-11-29T06:00:01Z");
    let mut late = life_with(live(), Remembered::default(), token, sunday);
    assert!(!late.is_up());
    assert!(said(&mut late).0.contains("Second Factor Authentication initiated"));
    // Neither STOP nor a login that did not complete leaves one.
    let mut life = life_with(live(), Remembered::default(), token, noon());
    life.take_effects();
    life.command("STOP", noon());
    assert_eq!(saved(&mut life), None);
    let mut life = life_with(live(), Remembered::default(), None, noon());
    life.command("PAUSE", noon());
    assert_eq!(saved(&mut life), None);
}

#[test]
fn the_daily_restart_keeps_the_login_and_the_sunday_one_does_not() {
    let at = |text| clocks::read_time(text).ok();
    let config = LifeConfig { auto_restart: at("11:59 PM"), cold_restart: at("07:00"), ..live() };
    let mut life = life_with(config, Remembered::default(), None, noon());
    life.confirm(noon());
    let night = utc("2026-11-24T23:59:00Z");
    life.step(night - 1);
    assert!(life.is_up());
    life.step(night);
    assert!(!life.is_up());
    life.step(night + 44 * S);
    assert!(!life.is_up());
    life.step(night + 45 * S);
    life.step(night + 45 * S);
    assert!(life.is_up());
    let sunday = utc("2026-11-29T07:00:00Z");
    for night in 25..=28 {
        let night = utc(&format!("2026-11-{night}T23:59:00Z"));
        life.step(night);
        life.step(night + 45 * S);
        life.step(night + 45 * S);
        assert!(life.is_up());
    }
    life.step(sunday);
    life.step(sunday + 45 * S);
    life.step(sunday + 45 * S);
    assert!(matches!(life.phase(), Phase::SecondFactor { .. }), "{:?}", life.phase());
}

#[test]
fn restart_waits_for_the_next_minute() {
    let mut life = life_with(LifeConfig::default(), Remembered::default(), None, noon() + 10 * S);
    assert_eq!(life.command("restart", noon() + 10 * S).text, "OK RESTART");
    life.step(noon() + 59 * S);
    assert!(life.is_up());
    life.step(noon() + 60 * S);
    assert!(!life.is_up());
    life.step(noon() + 105 * S);
    life.step(noon() + 105 * S);
    assert!(life.is_up());
    assert!(life.command("DANCE", noon()).text.starts_with("ERROR"));
    assert!(life.command("EXIT", noon()).last);
}

#[test]
fn wrong_passwords_lock_the_user_out() {
    let wrong = LifeConfig { wrong_password: true, ..LifeConfig::default() };
    let mut remembered = Remembered::default();
    for attempt in 1..=5 {
        let mut life = life_with(wrong.clone(), remembered, None, noon());
        let (lines, _) = said(&mut life);
        assert!(lines.contains("Login failed"), "{lines}");
        assert_eq!(lines.contains("Too many failed login attempts. Please wait"), attempt == 5, "{lines}");
        remembered = life.remembered().clone();
    }
    let mut life = life_with(LifeConfig::default(), remembered.clone(), None, noon() + 60 * S);
    assert!(!life.is_up() && said(&mut life).0.contains("Too many failed login attempts"));
    assert!(life_with(LifeConfig::default(), remembered, None, noon() + 900 * S).is_up());
}

#[test]
fn the_link_breaks_and_comes_back_in_three_ways() {
    for (data, code, kept) in
        [(upstream::Data::Kept, 1102, true), (upstream::Data::Lost, 1101, false), (upstream::Data::Lying, 1102, false)]
    {
        let mut life = life_with(LifeConfig::default(), Remembered::default(), None, noon());
        life.take_effects();
        let spec = UpstreamSpec { up: false, for_s: Some(3_600.0), data, farms: true };
        life.set_upstream(spec, noon());
        assert_eq!(notices(&mut life), [1100]);
        assert!(life.withholds(5, noon()) && life.greeting()[0].0 == 2110);
        life.step(noon() + 3_600 * S);
        assert_eq!(notices(&mut life), [code]);
        assert_eq!(life.withholds(5, noon()), !kept, "{code}");
        assert!(!life.withholds(5, noon() + 3_601 * S));
        life.command("RECONNECTDATA", noon() + 3_602 * S);
        assert!(!life.withholds(5, noon()));
    }
}

#[test]
fn a_nightly_reset_breaks_the_link_for_minutes() {
    let config = LifeConfig { nightly_reset: Some(clocks::Region::NorthAmerica), ..LifeConfig::default() };
    let mut life = life_with(config, Remembered::default(), None, noon());
    life.take_effects();
    let mut codes = Vec::new();
    for minute in 0..24 * 60 {
        life.step(noon() + minute * 60 * S);
        codes.extend(notices(&mut life));
    }
    assert_eq!(codes, [1100, 1102]);
    assert!(life.is_up() && life.upstream_is_up());
}

#[test]
fn another_session_is_met_as_the_setting_says() {
    let other = CompetingSpec { takes_login: true, ..CompetingSpec::default() };
    use ExistingSession::{Manual, Primary, PrimaryOverride, Secondary};
    // While this gateway is logged in, and when it starts: whether it lives on with the session.
    for (action, primary, keeps, takes) in [
        (Primary, false, true, true),
        (Primary, true, false, false),
        (PrimaryOverride, false, false, true),
        (Secondary, false, false, false),
    ] {
        let config = LifeConfig { existing_session: action, ..LifeConfig::default() };
        let mut life = life_with(config.clone(), Remembered::default(), None, noon());
        life.take_effects();
        life.begin_competing(CompetingSpec { primary, ..other }, noon());
        let (lines, code) = said(&mut life);
        assert!(lines.contains("Re-login is required") && lines.contains("Existing session detected"), "{lines}");
        assert_eq!(code.is_none(), keeps, "{action:?} {primary}");
        // One that ends at once leaves the other where it is.
        let yields = LifeConfig { existing_session: Secondary, ..LifeConfig::default() };
        let mut first = life_with(yields, Remembered::default(), None, noon());
        first.begin_competing(CompetingSpec { primary, ..other }, noon());
        let mut life = life_with(config, first.remembered().clone(), None, noon());
        assert_eq!(life.is_up(), takes, "{action:?} {primary}");
        assert_eq!(said(&mut life).1.is_none(), takes, "{action:?} {primary}");
    }
    let config = LifeConfig { existing_session: Manual, ..LifeConfig::default() };
    let mut life = life_with(config.clone(), Remembered::default(), None, noon());
    life.begin_competing(other, noon());
    let mut second = life_with(config, life.remembered().clone(), None, noon());
    assert_eq!(second.phase(), &Phase::ExistingSession);
    assert!(second.end_competing(noon() + S));
    second.step(noon() + S);
    assert!(second.is_up());
}

#[test]
fn a_session_that_flaps_has_the_data_half_of_the_time() {
    let mut life = life_with(LifeConfig::default(), Remembered::default(), None, noon());
    let flaps = CompetingSpec { flaps_s: Some(10.0), for_s: Some(35.0), ..CompetingSpec::default() };
    life.begin_competing(flaps, noon());
    let mut refused = Vec::new();
    for second in 0..40 {
        life.step(noon() + second * S);
        refused.push(life.refusal(Wants::TickByTick, 5).map(|refusal| refusal.code));
    }
    let expected =
        [(0, Some(10189)), (9, Some(10189)), (10, None), (19, None), (20, Some(10189)), (30, None), (39, None)];
    for (second, code) in expected {
        assert_eq!(refused[second], code, "{second}");
    }
    assert!(life.withholds(5, noon()) && !life.withholds(5, noon() + 39 * S));
}
