//! The bytes of a flood, as the simulator sends them.

use ib_gateway_sim::wire::frame;

#[path = "../../../simulator/benches/flood/client.rs"]
mod client;

use self::client::{Client, TICK};
use crate::{
    flood::TICKS,
    gateway::{Gateway, five},
    raw::Sample,
};

/// Subscribes, lets a flood come, and keeps its frames.
pub fn take() -> anyhow::Result<Sample> {
    let gateway = Gateway::start()?;
    let mut client = Client::subscribe(gateway.address(), &five())?;
    let mut seen = 0;
    while seen < 5 * five().len() {
        client.read(|body| seen += usize::from(body.starts_with(&TICK)))?;
    }
    gateway.burst(&five(), TICKS)?;
    let mut sample = Sample { bytes: Vec::new(), ticks: 0 };
    while sample.ticks < u64::from(TICKS) * five().len() as u64 {
        client.read(|body| {
            frame::write(&mut sample.bytes, body);
            sample.ticks += u64::from(body.starts_with(&TICK));
        })?;
    }
    Ok(sample)
}
