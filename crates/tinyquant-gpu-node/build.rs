//! Link settings of the addon.

fn main() {
    napi_build::setup();
    let target = |name| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    // A worker thread that ends closes the addon while the pool's threads still run its code.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
    }
}
