//! The yardstick: a loop that does nothing but write the flood's bytes, to the same client.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::client::Client;
use crate::cpu::{self, Spent};

/// Bytes of one write: what the gateway has ready when it writes as fast as it can.
const WRITE: usize = 256 * 1024;

const ROUNDS: usize = 5;

/// Writes `bytes` bytes, whole copies of the sample and a part of it, in each round.
pub(crate) fn run(sample: &[u8], bytes: u64) -> anyhow::Result<Spent> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut writer = TcpStream::connect(listener.local_addr()?)?;
    writer.set_nodelay(true)?;
    let mut client = Client::on(listener.accept()?.0);
    let total = bytes * ROUNDS as u64;
    let reader = std::thread::spawn(move || -> anyhow::Result<()> {
        let mut came = 0;
        while came < total {
            came += client.read(|_| {})? as u64;
        }
        Ok(())
    });
    let mut parts = sample.chunks(WRITE).cycle();
    let mut rest: &[u8] = &[];
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let round = || -> anyhow::Result<()> {
            let mut left = bytes as usize;
            while left > 0 {
                if rest.is_empty() {
                    rest = parts.next().unwrap_or_default();
                }
                let (now, later) = rest.split_at(rest.len().min(left));
                writer.write_all(now)?;
                left -= now.len();
                rest = later;
            }
            Ok(())
        };
        rounds.push(cpu::spent(round)?.1);
    }
    reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    Ok(cpu::best(&rounds))
}
