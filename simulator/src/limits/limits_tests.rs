use super::*;

const AT: i64 = 1_800_000_000_000_000;
const S: i64 = 1_000_000;

fn code(result: Result<(), Refusal>) -> i32 {
    result.map_or_else(|refusal| refusal.code, |()| 0)
}

fn held(number: usize) -> Held {
    Held { market_data: number, tick_by_tick: number, depth: number }
}

#[test]
fn each_kind_of_line_has_its_own_limit_and_code() {
    for (line, most, expected) in
        [(Line::MarketData, 100, 101), (Line::TickByTick(5), 5, 10190), (Line::Depth, 3, 309), (Line::History, 50, 162)]
    {
        let mut limits = Limits::new(LimitsConfig::IBKR);
        assert_eq!(code(limits.line(line, held(most - 1), most - 1, AT)), 0, "{line:?}");
        assert_eq!(code(limits.line(line, held(most), most, AT)), expected, "{line:?}");
        assert_eq!(code(Limits::new(LimitsConfig::OFF).line(line, held(999), 999, AT)), 0, "{line:?}");
    }
    let variant = LimitsConfig { tick_by_tick_error: TickByTickError::Code322, ..LimitsConfig::IBKR };
    let refusal = Limits::new(variant).line(Line::TickByTick(6), held(5), 0, AT).unwrap_err();
    assert!(refusal.code == 322 && refusal.text.contains("Max number of tick-by-tick requests has been reached"));
}

#[test]
fn an_instrument_is_asked_for_once_in_15_seconds() {
    let mut limits = Limits::new(LimitsConfig { tick_by_tick_pause_s: TICK_BY_TICK_PAUSE_S, ..LimitsConfig::OFF });
    assert_eq!(code(limits.line(Line::TickByTick(5), held(0), 0, AT)), 0);
    assert_eq!(code(limits.line(Line::TickByTick(6), held(0), 0, AT)), 0);
    assert_eq!(code(limits.line(Line::TickByTick(5), held(0), 0, AT + 15 * S - 1)), 10190);
    assert_eq!(code(limits.line(Line::TickByTick(5), held(0), 0, AT + 15 * S)), 0);
}

#[test]
fn who_is_gone_keeps_id_and_lines_for_a_while() {
    let mut limits = Limits::new(LimitsConfig { linger_s: 30, clients: 2, tick_by_tick: 1, ..LimitsConfig::OFF });
    assert_eq!(limits.client(7, 0, AT), Ok(()));
    limits.gone(1, Some(7), held(1), AT);
    assert_eq!(limits.client(7, 0, AT + 30 * S - 1), Err(ClientRefusal::IdInUse));
    assert_eq!(limits.client(8, 0, AT), Ok(()));
    assert_eq!(limits.client(8, 1, AT), Err(ClientRefusal::TooMany(2)));
    assert_eq!(code(limits.line(Line::TickByTick(5), held(0), 0, AT)), 10190);
    assert_eq!(limits.client(7, 1, AT + 30 * S), Ok(()));
    assert_eq!(code(limits.line(Line::TickByTick(5), held(0), 0, AT + 30 * S)), 0);
}

#[test]
fn too_many_questions_have_the_code_of_their_kind() {
    let question = || Question { con_id: 5, exchange: "CME".into(), what: "TRADES".into(), rest: String::new() };
    let mut limits = Limits::new(LimitsConfig::IBKR);
    assert_eq!(code(limits.pace(Asks::History, question(), AT)), 0);
    assert_eq!(code(limits.pace(Asks::History, question(), AT)), 162);
    let refusal = limits.pace(Asks::RealTimeBars, question(), AT).unwrap_err();
    assert!(refusal.code == 420 && refusal.text.contains("pacing violation"), "{}", refusal.text);
    assert_eq!(code(Limits::new(LimitsConfig::OFF).pace(Asks::History, question(), AT)), 0);
}
