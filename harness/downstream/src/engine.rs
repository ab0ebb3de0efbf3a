//! Engines of others: where each is installed, in a Python environment of its own that `scripts/engines` makes, whose file
//! `engine.json` says what is in it; and as a running program: what it says goes to a log, its end is told with its last
//! lines, and it ends when it is told to, with everything that it started.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Name of the file in an environment that says what is in it.
const MANIFEST: &str = "engine.json";

/// Time between two looks at a running program.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a program that was told to end may take, e.g. to save a checkpoint, before it is killed.
const TO_END: Duration = Duration::from_secs(20);

/// Lines of its log that tell of a failure.
const TOLD: usize = 15;

/// Most bytes of a log that are read for these lines.
const TAIL: u64 = 16 << 10;

/// An engine that trains, serves or scores models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Trains: LLaMA-Factory, with the converters from and to GGUF.
    #[serde(rename = "llamafactory")]
    LlamaFactory,
    /// Scores: OpenCompass, the paper's engine.
    #[serde(rename = "opencompass")]
    OpenCompass,
    /// Scores: EleutherAI's lm-evaluation-harness.
    LmEval,
    /// Serves a GGUF file: llama.cpp's own server.
    LlamaServer,
    /// Serves a Hugging Face folder.
    Vllm,
}

/// Its name in manifests, as an argument of `scripts/engines`, and of its folder.
impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// An installed engine, as `scripts/engines` writes its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Environment {
    /// Which.
    pub engine: EngineKind,
    /// The environment's folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Versions of its packages by their names, of Python under `python`.
    pub packages: BTreeMap<String, String>,
}

/// An engine is not there, or not whole; what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}\nhint: scripts/engines {1}")]
pub struct EnvironmentError(String, EngineKind);

impl Environment {
    /// Looks an engine up among the environments of `root`. The manifest is written last, so its being there means
    /// that the installation is whole.
    ///
    /// # Errors
    /// When it is not there or its manifest cannot be read.
    pub fn find(root: &Path, engine: EngineKind) -> Result<Self, EnvironmentError> {
        let folder = root.join(engine.to_string());
        let file = folder.join(MANIFEST);
        // Whatever keeps it from being read, what helps is to install the engine.
        let bytes = fs::read(&file).map_err(|_| {
            EnvironmentError(format!("{engine} is not installed in {}", folder.display()), engine)
        })?;
        let broken = |problem: String| {
            let said = format!("{} does not say what is installed: {problem}", file.display());
            EnvironmentError(said, engine)
        };
        let found: Self =
            serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        // A folder that was copied or renamed says another engine than the one that is looked for.
        if found.engine != engine {
            return Err(broken(format!("it is of {}", found.engine)));
        }
        Ok(Self { folder, ..found })
    }

    /// A program of the environment, such as `python` or `llamafactory-cli`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// The version of a package; empty where it is not there.
    #[must_use]
    pub fn version(&self, package: &str) -> &str {
        self.packages.get(package).map_or("", String::as_str)
    }
}

/// How a program ended without failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with success.
    Done,
    /// It was told to stop.
    Stopped,
}

/// A program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started, or its log not be written.
    #[error("cannot run {}: {source}", .program.display())]
    Start {
        /// Its file.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It ended with another code than 0, or by a signal.
    #[error("{} failed ({status}); the end of its log {}:\n{said}", .program.display(), .log.display())]
    Failed {
        /// Its file.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// Where all is that it said.
        log: PathBuf,
        /// Its last lines.
        said: String,
    },
}

/// A running program. Dropping it ends the program.
#[derive(Debug)]
pub struct EngineProcess {
    file: PathBuf,
    log: PathBuf,
    child: Child,
}

impl EngineProcess {
    /// Starts a program. What it says is appended to the log; it hears no Ctrl-C, because its group is its own.
    ///
    /// # Errors
    /// When it cannot be started or the log not be opened.
    pub fn start(mut command: Command, log: &Path) -> Result<Self, ProgramError> {
        let file = PathBuf::from(command.get_program());
        let mut start = || -> io::Result<Child> {
            if let Some(folder) = log.parent() {
                fs::create_dir_all(folder)?;
            }
            // Appended to: what an earlier call said stays, also when this one goes on where it ended.
            let out = OpenOptions::new().create(true).append(true).open(log)?;
            command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
            // A group of its own, so that a signal reaches whatever the program starts.
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            #[cfg(target_os = "linux")]
            ends_with_its_owner(&mut command);
            command.spawn()
        };
        match start() {
            Ok(child) => Ok(Self { file, log: log.to_owned(), child }),
            Err(source) => Err(ProgramError::Start { program: file, source }),
        }
    }

    /// Waits for its end. `look` is called every fifth of a second, to show how far it is. When `stop` is set the
    /// program and all that it started are ended.
    ///
    /// # Errors
    /// When it fails by itself.
    pub fn wait(
        mut self,
        stop: &AtomicBool,
        mut look: impl FnMut(),
    ) -> Result<Ending, ProgramError> {
        loop {
            if stop.load(Ordering::Relaxed) {
                self.end();
                return Ok(Ending::Stopped);
            }
            if self.has_ended()? {
                return Ok(Ending::Done);
            }
            look();
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether it has ended, with success.
    ///
    /// # Errors
    /// When it has failed.
    pub fn has_ended(&mut self) -> Result<bool, ProgramError> {
        match self.child.try_wait() {
            Ok(None) => Ok(false),
            Ok(Some(status)) if status.success() => Ok(true),
            Ok(Some(status)) => Err(ProgramError::Failed {
                program: self.file.clone(),
                status,
                said: last_lines(&self.log),
                log: self.log.clone(),
            }),
            Err(source) => Err(ProgramError::Start { program: self.file.clone(), source }),
        }
    }

    /// Asks its group to end, waits, and kills what is left.
    #[cfg(unix)]
    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            // Its children may outlive it: vLLM's worker does.
            self.signal(libc::SIGKILL);
            return;
        }
        self.signal(libc::SIGTERM);
        let deadline = Instant::now() + TO_END;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(LOOK_EVERY / 4);
        }
        self.signal(libc::SIGKILL);
        let _ = self.child.wait();
    }

    /// Kills it. Systems other than Unix have no groups that a signal reaches.
    #[cfg(not(unix))]
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal to the program's group, which has its id until its last process is gone.
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "the system's kill, of a group that we made")]
    fn signal(&self, signal: libc::c_int) {
        if let Ok(group) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: it takes two numbers and touches no memory.
            unsafe { libc::killpg(group, signal) };
        }
    }
}

/// Has the system end the program when the thread that starts it is gone, e.g. because this program was killed: an engine
/// that goes on alone would write into what the next one takes for its own.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a system call between fork and exec")]
fn ends_with_its_owner(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let ask = || {
        // SAFETY: it sets a number of this process; nothing is allocated and no lock is taken.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: `ask` does only what may be done between fork and exec.
    unsafe { command.pre_exec(ask) };
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// The end of a log: of what comes after its first `from` bytes the last `most`; nothing where it cannot be read. It may
/// begin in the middle of a letter.
pub(crate) fn tail(log: &Path, from: u64, most: u64) -> Vec<u8> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most).max(from)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().unwrap_or_default()
}

/// The last lines of a log.
fn last_lines(log: &Path) -> String {
    let bytes = tail(log, 0, TAIL);
    let text = String::from_utf8_lossy(&bytes);
    // A progress bar writes its states over each other; the last one of a line counts.
    let lines = text.lines().map(|line| line.trim_end().rsplit('\r').next().unwrap_or_default());
    let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TOLD)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn its_end_is_told_with_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/a.log");
        let stop = AtomicBool::new(false);
        let run = |script| EngineProcess::start(shell(script), &log).unwrap().wait(&stop, || ());
        assert_eq!(run("echo fine").unwrap(), Ending::Done);
        let error = run("printf '1%%\\r2%%\\n'; echo no memory >&2; exit 3").unwrap_err();
        let said = error.to_string();
        assert!(said.contains("exit status: 3") && said.ends_with("fine\n2%\nno memory"), "{said}");
        let missing = EngineProcess::start(Command::new("/nothing/there"), &log).unwrap_err();
        assert!(missing.to_string().starts_with("cannot run /nothing/there"), "{missing}");
    }

    #[test]
    fn what_it_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (log, file) = (folder.path().join("log"), folder.path().join("child"));
        let script = format!("sleep 1000 & echo $! > {}; trap '' TERM; wait", file.display());
        let stop = AtomicBool::new(false);
        let program = EngineProcess::start(shell(&script), &log).unwrap();
        let look = || {
            if fs::read_to_string(&file).is_ok_and(|id| id.ends_with('\n')) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        assert_eq!(program.wait(&stop, look).unwrap(), Ending::Stopped);
        let child = fs::read_to_string(&file).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        // Gone, or a zombie that its new parent has not yet looked at.
        assert!(stat.as_ref().map_or(true, |stat| stat.contains(") Z ")), "{stat:?}");
    }

    #[test]
    fn an_environment_is_what_its_manifest_says() {
        let root = tempfile::tempdir().unwrap();
        let find = |engine| Environment::find(root.path(), engine);
        let missing = find(EngineKind::LmEval).unwrap_err().to_string();
        assert!(missing.ends_with("hint: scripts/engines lm-eval"), "{missing}");

        let folder = root.path().join("lm-eval");
        fs::create_dir(&folder).unwrap();
        let write = |text: &str| fs::write(folder.join(MANIFEST), text).unwrap();
        write(r#"{"engine": "lm-eval", "packages": {"lm-eval": "0.4.13"}}"#);
        let found = find(EngineKind::LmEval).unwrap();
        assert_eq!((found.version("lm-eval"), found.version("torch")), ("0.4.13", ""));
        assert_eq!(found.program("python"), folder.join("bin/python"));

        for (text, said) in [
            ("{", "does not say what is installed"),
            (r#"{"engine": "vllm", "packages": {}}"#, "it is of vllm"),
        ] {
            write(text);
            let error = find(EngineKind::LmEval).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
