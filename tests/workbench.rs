//! A temporary folder with an experiment in it, and ways to run and compare.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that holds an experiment, a pool and a seed set, and is removed afterwards.
pub(crate) struct Workbench {
    folder: tempfile::TempDir,
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Workbench {
    /// An experiment of these variants (TOML tables) on the demonstration pool, at a scale of
    /// seconds. One thread each, because tests run side by side and llama.cpp's threads wait for each
    /// other. `method` are lines of `[method]`, `rounds` among them.
    pub(crate) fn new(variants: &str, method: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        bench.write("seeds.jsonl", &seed_set());
        let pool = std::fs::read_to_string(repository().join("experiments/pools/demo.toml"));
        bench.write("pool.toml", &pool.unwrap());
        let prompts = repository().join("experiments/prompts");
        bench.write(
            "experiment.toml",
            &format!(
                "name = \"small\"\nquestion = \"Does it work?\"\nseed_set = \"seeds.jsonl\"\n\
                 pool = \"pool.toml\"\nprompts = '{}'\nseeds = [42]\nchunk = 4\n\
                 [engine]\nthreads = 1\n\
                 [sampling]\ntemperature = 0.9\n\
                 [method]\n{method}\ntarget = 3\ncap = 6\nwave = 6\ntau = 6.0\ndelta = 1.0\n\
                 close_long_texts = true\n\
                 [method.limits]\nkeyword = 6\nsummary = 12\ncomment = 6\ninstruction = 16\n\
                 response = 16\n{variants}",
                prompts.display()
            ),
        );
        bench
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    /// Replaces a part of a file that must be there.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        self.write(file, &text.replacen(from, to, 1));
    }

    /// The program with these arguments, in this folder, without the caller's settings: those show
    /// in the help, and would stand for arguments that a test leaves out.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gra-bench"));
        command.current_dir(self.folder.path()).args(arguments).env_remove("GRA_MODELS");
        command.env_remove("GRA_ENGINES").env_remove("COMPASS_DATA_CACHE");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Exit code, standard output and standard error in one text, without the folder's name.
    pub(crate) fn transcript(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let streams = text(&output.stdout) + &text(&output.stderr);
        let folder = self.folder.path().display().to_string();
        let code = output.status.code().unwrap_or(-1);
        format!("{}\nexit code {code}", streams.replace(&folder, "[folder]").trim_end())
    }
}

/// Every published file by path, without what a run measured and without the store.
pub(crate) fn published(results: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, root: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, files);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let measured = name.ends_with(".measured.csv");
            if !measured && !name.starts_with("store.db") && name != "model-hashes.json" {
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(results, results, &mut files);
    files
}

/// Ten annotated items in two domains, and two that are not annotated.
fn seed_set() -> String {
    let subjects = ["tides", "bridges", "clocks", "bees", "glass", "salt"];
    let mut lines = Vec::new();
    for (domain, verb) in [("QA", "Explain"), ("Creation", "Write four lines about")] {
        for (n, subject) in subjects.iter().enumerate() {
            let instruction = format!("{verb} {subject} to a child of eight.");
            let annotation = format!(
                ", \"domain\": \"{domain}\", \"summary\": \"{verb} {subject}.\", \
                 \"keywords\": [\"{subject}\", \"{verb}\"]"
            );
            let annotation = if n == 5 { String::new() } else { annotation };
            lines.push(format!("{{\"instruction\": \"{instruction}\"{annotation}}}"));
        }
    }
    lines.join("\n") + "\n"
}

/// What a terminal shows, without its line breaks and columns.
pub(crate) fn on_one_line(shown: &str) -> String {
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}
