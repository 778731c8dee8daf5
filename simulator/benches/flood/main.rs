//! How fast the simulator is: a flood as fast as one client takes it, beside a raw loop that writes the same bytes, and
//! ticks at a steady pace. Prints a table and writes `target/bench/simulator.json`.
//!
//! The gateway runs on a thread of its own with a runtime of one thread, so it never has more than one core; its CPU
//! time is that thread's, and tells what it could do where other programs leave it the core.

mod client;
mod cpu;
mod flood;
mod gateway;
mod paced;
mod raw;

use std::path::Path;

use serde_json::json;

/// Where the figures go, for a machine to read.
const OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench/simulator.json");

fn main() -> anyhow::Result<()> {
    let flood = flood::run()?;
    let raw = raw::run(&flood.sample, flood.bytes)?;
    let paced = paced::run()?;
    // The raw loop sends the same bytes, so both rates can be in ticks.
    let of = |seconds: f64| flood.ticks as f64 / seconds;
    let (wall, cpu) = (of(flood.spent.wall_s), of(flood.spent.cpu_s));
    let (raw_wall, raw_cpu) = (of(raw.wall_s), of(raw.cpu_s));
    println!("{:<28}{:>14}{:>20}", "", "ticks/s", "ticks/s of CPU time");
    println!("{:<28}{wall:>14.0}{cpu:>20.0}", "flood, one client");
    println!("{:<28}{raw_wall:>14.0}{raw_cpu:>20.0}", "raw writes of its bytes");
    println!("{:<28}{:>14.2}{:>20.2}", "ratio", wall / raw_wall, cpu / raw_cpu);
    println!("{:<28}{:>14.0}   off by {:.3} %", "paced at 50,000/s", paced.ticks_per_s, paced.error_pct);
    let late = paced.late_us;
    println!("{:<28}{:>14} us, p99 {} us, most {} us", "  after it was due, p50", late.p50, late.p99, late.max);
    let figures = json!({
        "ticks": flood.ticks,
        "bytes_per_tick": flood.bytes as f64 / flood.ticks as f64,
        "ticks_per_s": wall,
        "ticks_per_cpu_s": cpu,
        "raw_ticks_per_s": raw_wall,
        "raw_ticks_per_cpu_s": raw_cpu,
        "ratio_to_raw": wall / raw_wall,
        "ratio_to_raw_cpu": cpu / raw_cpu,
        "paced_ticks_per_s": paced.ticks_per_s,
        "paced_error_pct": paced.error_pct,
        "paced_late_us": {"p50": late.p50, "p99": late.p99, "max": late.max},
    });
    let out = Path::new(OUT);
    std::fs::create_dir_all(out.parent().unwrap_or(out))?;
    std::fs::write(out, format!("{figures:#}\n"))?;
    Ok(())
}
