//! The first yardstick: the flood's bytes read from a socket and written to a file, by a loop that does nothing else.

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
};

use crate::{
    flood::{Meter, ROUNDS, Spent},
    process::Process,
};

/// First argument of a process in this role; the port and the file follow.
pub const ROLE: &str = "raw";

const READ: usize = 64 * 1024;

/// Bytes as they came from the gateway, and how many ticks they are.
pub struct Sample {
    pub bytes: Vec<u8>,
    pub ticks: u64,
}

pub fn run(sample: &Sample) -> anyhow::Result<Spent> {
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port().to_string();
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let file = data.path().join(round.to_string());
        let child = Process::role(&[ROLE, &port, &file.to_string_lossy()])?;
        let (mut socket, _) = listener.accept()?;
        let meter = Meter::start(&child)?;
        socket.write_all(&sample.bytes)?;
        drop(socket);
        child.says("done")?;
        rounds.push(meter.stop(&child, sample.ticks)?.0);
        anyhow::ensure!(file.metadata()?.len() == sample.bytes.len() as u64, "the file lacks bytes");
        child.end()?;
    }
    Ok(Spent::best(&rounds))
}

pub fn child(port: u16, file: &Path) -> anyhow::Result<()> {
    let (mut socket, mut file) = (TcpStream::connect((Ipv4Addr::LOCALHOST, port))?, File::create(file)?);
    let mut buffer = vec![0; READ];
    loop {
        let came = socket.read(&mut buffer)?;
        if came == 0 {
            break;
        }
        file.write_all(&buffer[..came])?;
    }
    file.sync_data()?;
    println!("done");
    // Until the parent has looked.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
