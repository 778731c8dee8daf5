//! Generates the wire messages from `proto/`, without a `protoc` binary.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILES: [&str; 8] = [
        "proto/account.proto",
        "proto/contract.proto",
        "proto/generic.proto",
        "proto/history.proto",
        "proto/market_data.proto",
        "proto/reference.proto",
        "proto/session.proto",
        "proto/ticks.proto",
    ];
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["proto"])?;
    // Maps in a stable order, so that equal messages are equal bytes.
    prost_build::Config::new().btree_map(["."]).compile_fds(descriptors)?;
    Ok(())
}
