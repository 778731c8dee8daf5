//! Everything but futures: stocks of three places, coins, a currency pair, and contracts made for tests.

use super::{BTC_USD_CON_ID, Contract, FIRST_TEST_CON_ID, HALT_CON_ID, HALTED_CON_ID, Halts, THIN_CON_ID};
use crate::market::hours::{Hours, Schedule};
use crate::market::schedules::{FOREX, HONG_KONG, TOKYO, US_STOCKS};

/// Ids of the original.
const AAPL_CON_ID: i32 = 265_598;
const IBM_CON_ID: i32 = 8_314;
const EUR_USD_CON_ID: i32 = 12_087_792;

/// Ids of this program: those of the original are not public knowledge.
const TENCENT_CON_ID: i32 = 900_700;
const TOYOTA_CON_ID: i32 = 907_203;

/// Exchanges of US stocks; the first one is the router.
const US_EXCHANGES: &[&str] = &["SMART", "NASDAQ", "NYSE", "ARCA", "BATS", "IEX"];

/// All of them.
pub(super) fn all() -> Vec<Contract> {
    let mut contracts = stocks();
    contracts.push(Contract {
        base_steps: 7_800_000,
        swing_steps: 150_000,
        long_name: "Bitcoin cryptocurrency".into(),
        ..crypto(BTC_USD_CON_ID, "BTC")
    });
    contracts.push(euro());
    for number in 0..8 {
        contracts.push(crypto(FIRST_TEST_CON_ID + number, &format!("SIM{}", number + 1)));
    }
    contracts.push(Contract {
        quotes_per_second: 0.02,
        trades_per_second: 0.005,
        never_silent: false,
        ..crypto(THIN_CON_ID, "SIMTHIN")
    });
    contracts.push(Contract { halts: Halts::Hourly { from: 10, to: 20 }, ..crypto(HALT_CON_ID, "SIMHALT") });
    contracts.push(Contract { halts: Halts::Always, ..crypto(HALTED_CON_ID, "SIMHALTED") });
    contracts
}

fn stocks() -> Vec<Contract> {
    let apple = Contract {
        primary_exchange: "NASDAQ",
        trading_class: "NMS".into(),
        long_name: "APPLE INC".into(),
        industry: ["Technology", "Computers", "Computers"],
        ..stock(AAPL_CON_ID, "AAPL", &US_STOCKS)
    };
    let ibm = Contract {
        primary_exchange: "NYSE",
        long_name: "INTL BUSINESS MACHINES CORP".into(),
        industry: ["Technology", "Computers", "Computer Services"],
        base_steps: 29_000,
        quotes_per_second: 5.0,
        trades_per_second: 2.0,
        ..stock(IBM_CON_ID, "IBM", &US_STOCKS)
    };
    let tencent = Contract {
        exchange: "SEHK",
        valid_exchanges: &["SEHK"],
        primary_exchange: "SEHK",
        currency: "HKD",
        long_name: "TENCENT HOLDINGS LTD".into(),
        industry: ["Communications", "Internet", "Internet Application Sftwr"],
        steps_per_unit: 5,
        base_steps: 3_000,
        swing_steps: 200,
        min_size: 100.0,
        unreported_percent: 2,
        ..stock(TENCENT_CON_ID, "700", &HONG_KONG)
    };
    let toyota = Contract {
        exchange: "TSEJ",
        valid_exchanges: &["TSEJ"],
        primary_exchange: "TSEJ",
        currency: "JPY",
        local_symbol: "7203.T".into(),
        long_name: "TOYOTA MOTOR CORP".into(),
        industry: ["Consumer, Cyclical", "Auto Manufacturers", "Auto-Cars/Light Trucks"],
        steps_per_unit: 2,
        base_steps: 5_600,
        swing_steps: 300,
        min_size: 100.0,
        unreported_percent: 2,
        ..stock(TOYOTA_CON_ID, "7203", &TOKYO)
    };
    vec![apple, ibm, tencent, toyota]
}

/// A stock as the US ones are; what differs is set by the caller.
fn stock(con_id: i32, symbol: &str, schedule: &'static Schedule) -> Contract {
    Contract {
        con_id,
        symbol: symbol.into(),
        sec_type: "STK",
        exchange: "SMART",
        valid_exchanges: US_EXCHANGES,
        primary_exchange: "",
        currency: "USD",
        last_trade_date: String::new(),
        multiplier: 0.0,
        local_symbol: symbol.into(),
        trading_class: symbol.into(),
        long_name: String::new(),
        industry: [""; 3],
        steps_per_unit: 100,
        base_steps: 27_000,
        swing_steps: 600,
        lot: 100.0,
        min_size: 0.0001,
        quotes_per_second: 10.0,
        trades_per_second: 5.0,
        unreported_percent: 15,
        never_silent: true,
        hours: Hours::of(schedule),
        end_s: None,
        halts: Halts::Never,
    }
}

/// A currency pair: quotes only, trades of it are not reported.
fn euro() -> Contract {
    Contract {
        sec_type: "CASH",
        exchange: "IDEALPRO",
        valid_exchanges: &["IDEALPRO"],
        local_symbol: "EUR.USD".into(),
        trading_class: "EUR.USD".into(),
        long_name: "European Monetary Union Euro".into(),
        steps_per_unit: 20_000,
        base_steps: 21_600,
        swing_steps: 400,
        lot: 100_000.0,
        min_size: 0.01,
        trades_per_second: 0.0,
        unreported_percent: 0,
        ..stock(EUR_USD_CON_ID, "EUR", &FOREX)
    }
}

fn crypto(con_id: i32, symbol: &str) -> Contract {
    Contract {
        con_id,
        symbol: symbol.into(),
        sec_type: "CRYPTO",
        exchange: "PAXOS",
        valid_exchanges: &["PAXOS"],
        primary_exchange: "",
        currency: "USD",
        last_trade_date: String::new(),
        multiplier: 0.0,
        local_symbol: format!("{symbol}.USD"),
        trading_class: format!("{symbol}.USD"),
        long_name: format!("Test contract {symbol}, generated, open around the clock"),
        industry: [""; 3],
        steps_per_unit: 100,
        base_steps: 100_000,
        swing_steps: 2_000,
        lot: 0.001,
        min_size: 0.000_000_01,
        quotes_per_second: 6.0,
        trades_per_second: 3.0,
        unreported_percent: 10,
        never_silent: true,
        hours: Hours::around_the_clock("US/Eastern"),
        end_s: None,
        halts: Halts::Never,
    }
}
