//! How fast and how large the streamer is: the program itself, fed by the simulator with more than it can take, beside two
//! yardsticks in the same run: the same bytes read from a socket and written to a file, and the client library `ibapi`
//! that drops what it gets. Prints a table and writes `target/bench/streamer.json`.
//!
//! Where there are two cores and `taskset`, everything that is measured has one for itself and the simulator the other.
//! Figures per tick are CPU time, of all threads of a process: they bear others on the machine better than the clock.

mod flood;
mod gateway;
mod ibapi_alone;
mod process;
mod raw;
mod recorded;
mod sample;
mod streamer;

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use self::{flood::Spent, process::Memory};

/// Where the figures go, for a machine to read.
const OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench/streamer.json");

/// Seen in the budgets: ticks a second on one core, CPU microseconds a tick, MiB at rest and with 100 streams, also after
/// a burst.
const BUDGETS: [(&str, f64); 5] = [
    ("ticks_per_s", 300_000.0),
    ("cpu_us_per_tick", 3.0),
    ("rss_idle_mib", 15.0),
    ("rss_100_streams_mib", 32.0),
    ("rss_100_streams_after_burst_mib", 32.0),
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    // The yardsticks are processes of their own too, so that all are measured in one way.
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, raw::ROLE, port, file] => raw::child(port.parse()?, Path::new(file)),
        [_, ibapi_alone::ROLE, port, ticks] => ibapi_alone::child(port.parse()?, ticks.parse()?),
        _ => measure(),
    }
}

fn measure() -> anyhow::Result<()> {
    process::leave_a_core()?;
    let load_average = process::load_average()?;
    let streamer = streamer::run()?;
    let hundred = streamer::hundred_streams()?;
    let alone = ibapi_alone::run()?;
    let raw = raw::run(&streamer.sample)?;

    let memory = [
        ("idle", streamer.idle),
        ("after_flood", streamer.after_flood),
        ("100_streams", hundred.flowing),
        ("100_streams_after_burst", hundred.after_burst),
    ];
    let bytes_per_tick = streamer.sample.bytes.len() as f64 / streamer.sample.ticks as f64;
    let figures = json!({
        "ticks_per_s": streamer.flood.ticks_per_s(),
        "ticks_per_cpu_s": streamer.flood.ticks_per_cpu_s(),
        "cpu_us_per_tick": streamer.flood.cpu_us_per_tick(),
        "cpu_us_per_tick_by_thread": streamer.by_thread,
        "rss_idle_mib": streamer.idle.resident,
        "rss_100_streams_mib": hundred.flowing.resident,
        "rss_100_streams_after_burst_mib": hundred.after_burst.resident,
        "memory_mib": BTreeMap::from(memory),
        "ticks": streamer.flood.ticks,
        "lost": streamer.loss.lost + hundred.loss.lost,
        "lag_notices": streamer.loss.lag_notices + hundred.loss.lag_notices,
        "bytes_per_tick": bytes_per_tick,
        "raw_cpu_us_per_tick": raw.cpu_us_per_tick(),
        "raw_ticks_per_s": raw.ticks_per_s(),
        "bare_ibapi_cpu_us_per_tick": alone.cpu_us_per_tick(),
        "bare_ibapi_ticks_per_s": alone.ticks_per_s(),
        // Shares of the yardsticks' speed, by CPU time: 1 is as fast as they are.
        "ratio_to_raw": raw.cpu_us_per_tick() / streamer.flood.cpu_us_per_tick(),
        "ratio_to_bare_ibapi": alone.cpu_us_per_tick() / streamer.flood.cpu_us_per_tick(),
        // What else ran on the machine: CPU times grow with it too, by caches and memory that are shared.
        "load_average": load_average,
    });
    print(
        &figures,
        [("streamer", &streamer.flood), ("ibapi alone, no recording", &alone), ("raw bytes to a file", &raw)],
        memory,
    );
    let out = Path::new(OUT);
    std::fs::create_dir_all(out.parent().unwrap_or(out))?;
    std::fs::write(out, format!("{figures:#}\n"))?;
    anyhow::ensure!(figures["lost"] == 0, "{} ticks are not in the files", figures["lost"]);
    Ok(())
}

fn print(figures: &Value, rows: [(&str, &Spent); 3], memory: [(&str, Memory); 4]) {
    println!("{:<28}{:>12}{:>16}{:>14}", "", "ticks/s", "ticks/s of CPU", "CPU us/tick");
    for (name, spent) in rows {
        let (wall, cpu, each) = (spent.ticks_per_s(), spent.ticks_per_cpu_s(), spent.cpu_us_per_tick());
        println!("{name:<28}{wall:>12.0}{cpu:>16.0}{each:>14.2}");
    }
    let figure = |name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
    println!("by thread, CPU us/tick: {}", figures["cpu_us_per_tick_by_thread"]);
    println!(
        "lost {}, lag notices {}; load average before {}",
        figures["lost"], figures["lag_notices"], figures["load_average"]
    );
    println!("{:<28}{:>12}{:>16}{:>14}{:>10}", "memory, MiB", "resident", "of its own", "program", "peak");
    for (when, Memory { resident, own, program, peak }) in memory {
        println!("{when:<28}{resident:>12.1}{own:>16.1}{program:>14.1}{peak:>10.1}");
    }
    println!("budgets:");
    for (name, budget) in BUDGETS {
        println!("  {name:<32}{:>12.2}  of {budget}", figure(name));
    }
}
