//! Generates the sales service from `proto/sales.proto` with a protobuf compiler written in Rust,
//! so that building needs no `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/sales.proto");
    let descriptors = protox::compile(["proto/sales.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors.clone())?;
    // The server once more, over frames that it takes as they come.
    let arrived = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("arrived");
    fs_err::create_dir_all(&arrived)?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".tillway.sales.v1.PeerFrame", "crate::sales::ArrivedFrame")
        .extern_path(".tillway.sales.v1", "crate::sales::v1")
        .out_dir(arrived)
        .compile_fds(descriptors)?;
    Ok(())
}
