//! The worker as a process: started, heard, and what it died of.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::{Answer, Ask, Setup, receive, send};

/// Lines that are kept to explain a crash.
const KEPT_LINES: usize = 12;

/// How long a worker that closed its socket may take to end before it is killed.
const TO_DIE: Duration = Duration::from_secs(10);

/// How long its last words may take to be read.
const TO_BE_HEARD: Duration = Duration::from_secs(1);

/// What a listener is told.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// The worker wrote this line on its standard output or error.
    Line(&'a str),
    /// The worker died; what happened and what is done next, in a sentence.
    Crash(&'a str),
}

/// Takes news, from any thread.
pub type Listener = Arc<dyn Fn(News<'_>) + Send + Sync>;

/// What to start as a worker: a program that calls [`serve`](super::serve).
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// The running program, with other arguments.
    ///
    /// # Errors
    /// When the system does not say where it is.
    pub fn this<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> io::Result<Self> {
        // On Linux this is the running file itself, also when another took its name meanwhile.
        let linked = Path::new("/proc/self/exe");
        let path = if linked.exists() { linked.to_owned() } else { env::current_exe()? };
        Ok(Self { path, arguments: arguments.into_iter().map(Into::into).collect() })
    }

    /// A file, without arguments.
    #[cfg(test)]
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, arguments: Vec::new() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        if let Some(name) = env::args_os().next() {
            command.arg0(name);
        }
        if WAITING.iter().all(|name| env::var_os(name).is_none()) {
            command.env(WAITING[0], SPINS);
        }
        // A failed assertion would start a debugger for its trace when one is installed.
        if env::var_os("GGML_NO_BACKTRACE").is_none() {
            command.env("GGML_NO_BACKTRACE", "1");
        }
        command
    }
}

/// GNU's OpenMP reads these when it is loaded, so before a program's `main`: they say how a thread
/// waits for the others. A user's own choice of either is left alone.
const WAITING: [&str; 2] = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"];

/// Rounds that a thread spins before it sleeps. llama.cpp's threads meet many times in every layer
/// of a model; where one of them has lost its core to another program, the others burn theirs until
/// it is back. With these few they meet awake on a quiet machine and sleep on a busy one; decision 6
/// has the measurements.
const SPINS: &str = "1000";

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Signal(i32),
    Exit(i32),
}

impl Ending {
    /// Whether someone else ended it, rather than what it did. The system's out-of-memory killer counts
    /// as someone else the first time.
    pub(super) const fn is_from_outside(self) -> bool {
        matches!(self, Self::Signal(libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGHUP))
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match (status.signal(), status.code()) {
            (Some(signal), _) => Self::Signal(signal),
            (None, code) => Self::Exit(code.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match *self {
            Self::Exit(code) => return write!(f, "it ended with exit code {code}"),
            Self::Signal(signal) => signal,
        };
        let name = match signal {
            libc::SIGKILL => {
                return f
                    .write_str("it was killed, by someone or because memory ran out (SIGKILL)");
            }
            libc::SIGABRT => {
                return f.write_str("it aborted: a failed assertion or no memory (SIGABRT)");
            }
            libc::SIGSEGV => " (SIGSEGV)",
            libc::SIGBUS => " (SIGBUS)",
            libc::SIGILL => " (SIGILL)",
            libc::SIGFPE => " (SIGFPE)",
            libc::SIGTERM => " (SIGTERM)",
            _ => "",
        };
        write!(f, "it was ended by signal {signal}{name}")
    }
}

/// A worker that died.
#[derive(Debug)]
pub(super) struct Crash {
    pub(super) ending: Ending,
    /// Its last lines.
    pub(super) said: Vec<String>,
}

/// A running worker. Ends with its owner's handle on it.
pub(super) struct Child {
    process: process::Child,
    /// The socket, whose other end is the worker's standard input.
    worker: BufReader<UnixStream>,
    said: Arc<Mutex<VecDeque<String>>>,
    listening: JoinHandle<()>,
    /// Sequences at once that it was set up for.
    pub(super) slots: u32,
}

impl Child {
    /// Starts a worker and tells it what to answer for.
    pub(super) fn start(program: &Program, setup: &Setup, listener: &Listener) -> io::Result<Self> {
        let (worker, theirs) = UnixStream::pair()?;
        let (heard, says) = io::pipe()?;
        // One pipe for both, so that lines keep their order; a group of its own, so that Ctrl-C spares it.
        let process = program
            .command()
            .stdin(OwnedFd::from(theirs))
            .stdout(says.try_clone()?)
            .stderr(says)
            .process_group(0)
            .spawn()?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (kept, listener) = (Arc::clone(&said), Arc::clone(listener));
        let listening = thread::Builder::new()
            .name("worker's words".to_owned())
            .spawn(move || listen(BufReader::new(heard), &kept, &listener))?;
        let slots = setup.settings.slots;
        let mut child = Self { process, worker: BufReader::new(worker), said, listening, slots };
        // Models are loaded when they are asked, so this is quick.
        match child.ask(&Ask::Hello(std::borrow::Cow::Borrowed(setup))) {
            // It is gone already; the next request reports how it died.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(child),
            result => result.map(|()| child),
        }
    }

    pub(super) fn ask(&mut self, ask: &Ask<'_>) -> io::Result<()> {
        send(self.worker.get_mut(), ask)
    }

    /// What the worker says next; `None` when it is gone.
    pub(super) fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<Answer<T>>> {
        receive(&mut self.worker)
    }

    /// What a worker that closed its socket died of.
    pub(super) fn bury(mut self) -> Crash {
        let deadline = Instant::now() + TO_DIE;
        let status = loop {
            match self.process.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                _ => {
                    let _ = self.process.kill();
                    break self.process.wait().unwrap_or_default();
                }
            }
        };
        // Its last lines say why it died; a grandchild that holds the pipe open must not hold us up.
        let deadline = Instant::now() + TO_BE_HEARD;
        while !self.listening.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        Crash { ending: status.into(), said: said.drain(..).collect() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It holds nothing that must be kept. Both fail only for one that is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Keeps the last lines of a worker and hands all on. Ends with the worker.
fn listen(mut heard: BufReader<PipeReader>, kept: &Mutex<VecDeque<String>>, listener: &Listener) {
    let mut line = Vec::new();
    while heard.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // Files of models name themselves here: their text must not steer a terminal.
        // Whatever stands in the line, a bad byte must not end the listening.
        let text = String::from_utf8_lossy(&line);
        let text: String = text.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
        line.clear();
        let text = text.trim_end();
        if text.is_empty() {
            continue;
        }
        listener(News::Line(text));
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(text.to_owned());
    }
}
