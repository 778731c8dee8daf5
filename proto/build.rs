//! Generates the tick record from `proto/tick.proto`. protox compiles it in Rust, so that no build needs `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/tick.proto");
    let descriptors = protox::compile(["proto/tick.proto"], ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
