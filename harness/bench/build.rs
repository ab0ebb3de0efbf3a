//! Has the program built anew when a file is added to the folder that is built into it: the macro that reads
//! the folder is told of changed files alone.

fn main() {
    println!("cargo::rerun-if-changed=experiments");
}
