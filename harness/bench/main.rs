//! `gra-bench`: runs GRA and its ablations, measures the data, regenerates the paper's tables.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use gra_bench::command::Cli;
use signal_hook::consts::SIGXFSZ;

/// An instruction set that the program was compiled for and this CPU lacks. A program compiled for the machine that
/// built it, copied to an older one, would end by an illegal instruction, sooner or later and without a word. (One
/// without AVX ends so before `main`, in C++ that prepares its globals.)
/// (`is_x86_feature_detected` cannot tell: it takes what was compiled for as given.)
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn missing_instructions() -> Option<&'static str> {
    use raw_cpuid::ExtendedFeatures;

    let cpu = raw_cpuid::CpuId::new();
    let (old, new) = (cpu.get_feature_info()?, cpu.get_extended_feature_info());
    let new = |has: fn(&ExtendedFeatures) -> bool| new.as_ref().is_some_and(has);
    let missing = [
        ("AVX2", cfg!(target_feature = "avx2") && !new(ExtendedFeatures::has_avx2)),
        ("FMA", cfg!(target_feature = "fma") && !old.has_fma()),
        ("BMI2", cfg!(target_feature = "bmi2") && !new(ExtendedFeatures::has_bmi2)),
        ("AVX-512F", cfg!(target_feature = "avx512f") && !new(ExtendedFeatures::has_avx512f)),
        ("AVX-512 VL", cfg!(target_feature = "avx512vl") && !new(ExtendedFeatures::has_avx512vl)),
        (
            "AVX-512 VNNI",
            cfg!(target_feature = "avx512vnni") && !new(ExtendedFeatures::has_avx512vnni),
        ),
    ];
    missing.iter().find(|(_, is_missing)| *is_missing).map(|(name, _)| *name)
}

fn main() -> ExitCode {
    #[cfg(target_arch = "x86_64")]
    if let Some(name) = missing_instructions() {
        return gra_bench::failure::report(&anyhow::anyhow!(
            "this program was compiled for CPUs with {name}, which this one lacks\n  hint: build it on this \
             machine (scripts/setup, cargo build --release), or install the wheel of scripts/wheel, which fits all"
        ));
    }
    // With a handler, a write beyond a limit on file sizes fails with a reason. Without one, the signal ends the
    // program without a word.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => gra_bench::failure::report(&error),
    }
}
