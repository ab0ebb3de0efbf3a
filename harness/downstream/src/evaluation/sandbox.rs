//! Code that a model wrote, run by the scorers of `HumanEval` and MBPP, is kept from the machine: no network, nothing to
//! read but the engine and the benchmark, nothing to write but a throw-away folder, limits on memory, time and files.
//!
//! OpenCompass asks the model first and scores afterwards, so only scoring runs here. Bubblewrap makes the sandbox;
//! where it is not there or may not make one (some containers forbid it), code is refused and not run otherwise.
//! Limits are of each process, as the kernel has them without a control group. What a sandbox does not keep: code that
//! writes a result of its own into the throw-away folder while it is scored.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What code may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of memory of each process. The scorer's own libraries map some gigabytes.
    pub memory: u64,
    /// Bytes of each file that is written.
    pub file: u64,
    /// Files that a process has open.
    pub open_files: u64,
    /// Seconds until everything is killed.
    pub seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 12 << 30, file: 256 << 20, open_files: 1024, seconds: 4 * 3600 }
    }
}

/// What is there within the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// The only folder that can be written to, and where the program starts.
    pub scratch: PathBuf,
    /// Folders besides the system's that can be read.
    pub readable: Vec<PathBuf>,
    /// Environment variables; no others are passed on.
    pub variables: Vec<(&'static str, String)>,
    /// What may be used.
    pub limits: Limits,
}

/// A program that makes sandboxes, and was seen to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sandbox {
    program: PathBuf,
}

/// Code that a model wrote cannot be kept from the machine: why not, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("HumanEval and MBPP run code that the model wrote, and {0}, or leave both benchmarks out")]
pub struct SandboxError(String);

/// Folders of the system that programs need; those that are not there are left out.
const SYSTEM: [&str; 6] = ["/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc"];

impl Sandbox {
    /// Looks for bubblewrap and has it make a sandbox.
    pub(super) fn find() -> Result<Self, SandboxError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut programs = std::env::split_paths(&path).map(|folder| folder.join("bwrap"));
        let Some(program) = programs.find(|file| file.is_file()) else {
            let missing = "there is no bwrap to keep it from this machine\n\
                           hint: apt install bubblewrap (or dnf, pacman)";
            return Err(SandboxError(missing.to_owned()));
        };
        let sandbox = Self { program };
        // Being installed is not enough: some containers let it make no sandbox.
        let room = Room { scratch: std::env::temp_dir(), ..Room::default() };
        let mut tried = sandbox.command(&room, Path::new("true"), &[]);
        let said = match tried.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => return Ok(sandbox),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        Err(SandboxError(format!(
            "{} cannot keep it from this machine: {said}\n\
             hint: allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
            sandbox.program.display()
        )))
    }

    /// A command that runs a program in the room.
    pub(super) fn command(&self, room: &Room, program: &Path, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        // A process group of its own is not enough: what is in the sandbox ends with it, however it ends.
        command.args(["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]);
        command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
        for folder in SYSTEM {
            command.args(["--ro-bind-try", folder, folder]);
        }
        for folder in &room.readable {
            command.arg("--ro-bind").arg(folder).arg(folder);
        }
        command.arg("--bind").arg(&room.scratch).arg(&room.scratch);
        command.arg("--chdir").arg(&room.scratch);
        command.args(["--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"]);
        command.arg("--setenv").arg("HOME").arg(&room.scratch);
        for (name, value) in &room.variables {
            command.args(["--setenv", name, value]);
        }
        // Within the sandbox, so that bubblewrap itself is not held to the limits. `sh` counts files in blocks of 512
        // bytes, memory in kilobytes.
        let Limits { memory, file, open_files, seconds } = room.limits;
        let script = format!(
            "ulimit -v {} && ulimit -f {} && ulimit -n {open_files} && ulimit -c 0 && exec timeout -k 5 {seconds} \"$0\" \"$@\"",
            memory >> 10,
            file >> 9,
        );
        command.args(["--", "/bin/sh", "-c", &script]).arg(program).args(arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(scratch: &Path) -> Room {
        Room {
            scratch: scratch.to_owned(),
            readable: Vec::new(),
            variables: vec![("GIVEN", "a value".to_owned())],
            limits: Limits { memory: 1 << 30, file: 1 << 20, open_files: 64, seconds: 2 },
        }
    }

    #[test]
    fn a_command_shuts_everything_out_and_lets_little_in() {
        let sandbox = Sandbox { program: PathBuf::from("/usr/bin/bwrap") };
        let command = sandbox.command(&room(Path::new("/scratch")), Path::new("python"), &[]);
        let arguments: Vec<&str> =
            command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        insta::assert_snapshot!(arguments.join("\n"));
    }

    #[test]
    #[ignore = "needs bubblewrap: cargo test -p gra-downstream -- --ignored sandbox"]
    fn code_is_kept_from_the_machine() {
        let sandbox = Sandbox::find().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let secret = outside.path().join("secret").display().to_string();
        let run = |script: &str| {
            let arguments = ["-c".to_owned(), script.replace("SECRET", &secret)];
            let mut command =
                sandbox.command(&room(folder.path()), Path::new("/bin/sh"), &arguments);
            let output = command.output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        for (script, code, said) in [
            ("echo $GIVEN; echo x > made", Some(0), "a value"),
            ("cat SECRET", Some(1), ""),
            ("echo x > /usr/made", Some(2), ""),
            // Only the loopback device is there.
            ("grep -c : /proc/net/dev", Some(0), "1"),
            ("sleep 60", Some(124), ""),
            // Longer than a file may be.
            ("head -c 9000000 /dev/zero > long; wc -c < long", Some(0), "1048576"),
            (
                "python3 -c 'bytearray(2 << 30)' 2> /dev/null || echo no memory",
                Some(0),
                "no memory",
            ),
        ] {
            let found = run(script);
            assert_eq!((found.0, found.1.as_str()), (code, said), "{script}");
        }
        assert!(folder.path().join("made").is_file());
    }
}
