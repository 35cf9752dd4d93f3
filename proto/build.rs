//! Generates the sales service from `proto/sales.proto` with a protobuf compiler written in Rust, so that building
//! needs no `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/sales.proto");
    let descriptors = protox::compile(["proto/sales.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
