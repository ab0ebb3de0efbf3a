//! Has the program built anew when a file is added to the folder that is built into it: the macro that reads
//! the folder is told of changed files alone. And tells a portable program where its libraries are.

fn main() {
    println!("cargo::rerun-if-changed=experiments");
    if std::env::var_os("CARGO_FEATURE_PORTABLE").is_some() {
        // `bin/gra-bench` and `lib/gra-bench/` of a Python environment or of /usr/local.
        println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib/gra-bench");
    }
}
