//! Tables of cases that were checked against `huggingface_hub` 2.4: what its constants and
//! `try_to_load_from_cache` say of the same variables and folders.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

const HOME: &str = "/home/u";

#[test]
fn the_cache_is_where_the_python_library_has_it() {
    let check = |variables: &[(&str, &str)], home: Option<&str>, expected: &str| {
        let value = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let cache = HubCache::of(&value, home.map(Path::new));
        assert_eq!(cache.folder, Path::new(expected), "{variables:?} at {home:?}");
        let named = cache.variable.map(|name| variables.iter().any(|(set, _)| *set == name));
        assert_ne!(named, Some(false), "a variable that is set decides: {cache:?}");
    };
    let home = Some(HOME);
    check(&[], home, "/home/u/.cache/huggingface/hub");
    check(&[("XDG_CACHE_HOME", "/x")], home, "/x/huggingface/hub");
    check(&[("XDG_CACHE_HOME", "~/x")], home, "/home/u/x/huggingface/hub");
    check(&[("XDG_CACHE_HOME", "")], home, "huggingface/hub");
    check(&[("HF_HOME", "/h"), ("XDG_CACHE_HOME", "/x")], home, "/h/hub");
    check(&[("HF_HOME", "~/h")], home, "/home/u/h/hub");
    check(&[("HF_HOME", "~")], home, "/home/u/hub");
    check(&[("HF_HOME", "$SCRATCH/h"), ("SCRATCH", "/s")], home, "/s/h/hub");
    check(&[("HF_HOME", "${SCRATCH}/h"), ("SCRATCH", "/s")], home, "/s/h/hub");
    check(&[("HF_HOME", "$NOWHERE/h")], home, "$NOWHERE/h/hub");
    check(&[("HF_HOME", "/h/${a$B}"), ("B", "b")], home, "/h/${a$B}/hub");
    check(&[("HF_HOME", "/h$"), ("B", "b")], home, "/h$/hub");
    check(&[("HF_HOME", "$A/h"), ("A", "$B"), ("B", "/b")], home, "/b/h/hub");
    check(&[("HF_HOME", "")], home, "hub");
    check(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HOME", "/h")], home, "/old");
    check(&[("HUGGINGFACE_HUB_CACHE", "~/old")], home, "/home/u/old");
    let both = [("HF_HUB_CACHE", "/new"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HOME", "/h")];
    check(&both, home, "/new");
    check(&[("HF_HUB_CACHE", "~/new")], home, "/home/u/new");
    check(&[("HF_HUB_CACHE", "a/~/new")], home, "a/~/new");
    check(&[("HF_HUB_CACHE", "")], home, "");
    check(&[("HF_HUB_CACHE", "$XDG_CACHE_HOME/n"), ("XDG_CACHE_HOME", "/x")], home, "/x/n");
    // Without a home folder a path that starts there stays as it is written.
    check(&[], None, "~/.cache/huggingface/hub");
    check(&[("HF_HOME", "~/h")], None, "~/h/hub");
    check(&[("HF_HOME", "/h")], None, "/h/hub");
    check(&[], Some(""), "/.cache/huggingface/hub");
    check(&[], Some("/"), "/.cache/huggingface/hub");
    check(&[], Some("/home/u/"), "/home/u/.cache/huggingface/hub");
}

const FILE: &str = "m.gguf";
const OLD: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";
const NEW: &str = "ffeeddccbbaa99887766554433221100ffeeddcc";

/// A repository in a cache.
struct Repository {
    cache: tempfile::TempDir,
    folder: PathBuf,
}

impl Repository {
    fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("models--org--m-GGUF");
        fs::create_dir(&folder).unwrap();
        Self { cache, folder }
    }

    fn write(self, path: &str, text: &str) -> Self {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A file of a snapshot, as a link to a blob that is there or not.
    fn snapshot(self, commit: &str, file: &str, blob: bool) -> Self {
        let repository = if blob { self.write("blobs/b", "GGUF") } else { self };
        let path = repository.folder.join("snapshots").join(commit).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(repository.folder.join("blobs/b"), path).unwrap();
        repository
    }

    fn find(&self, revision: &str, file: &str) -> Result<PathBuf, Absent> {
        let cache = HubCache { folder: self.cache.path().to_owned(), variable: Some("HF_HOME") };
        cache.find(Wanted { repo: "org/m-GGUF", revision, file })
    }

    fn found(&self, revision: &str, file: &str, commit: &str) {
        let expected = self.folder.join("snapshots").join(commit).join(file);
        assert_eq!(self.find(revision, file), Ok(expected));
    }

    fn absent(&self, revision: &str, file: &str, why: &str) {
        let absent = self.find(revision, file).unwrap_err();
        let place = self.cache.path().to_str().unwrap();
        let said = absent.why.replace(place, "CACHE");
        assert!(said.contains(why), "{why}\n{said}");
        assert!(said.contains("CACHE"), "the place is named: {said}");
    }
}

#[test]
fn a_file_is_found_where_the_python_library_finds_it() {
    let main = || Repository::new().write("refs/main", NEW);

    let usual = main().snapshot(NEW, FILE, true);
    usual.found("main", FILE, NEW);
    usual.found(NEW, FILE, NEW);
    usual.absent(
        "main",
        "other.gguf",
        "has the snapshot ffeeddccbbaa99887766554433221100ffeeddcc without",
    );
    usual.absent("v2", FILE, "has no snapshot of revision v2; the file is in the snapshot of ffee");
    main().snapshot(NEW, "q4/m.gguf", true).found("main", "q4/m.gguf", NEW);

    // What `refs/main` names counts, whatever else is there.
    let several = main().snapshot(NEW, FILE, true).snapshot(OLD, FILE, true);
    several.found("main", FILE, NEW);
    several.found(OLD, FILE, OLD);
    main().snapshot(OLD, FILE, true).absent(
        "main",
        FILE,
        "no snapshot of revision main; the file is in the snapshot of 0a1b",
    );
    main().snapshot(OLD, FILE, true).snapshot(NEW, "README.md", true).absent(
        "main",
        FILE,
        "has the snapshot ffeeddccbbaa99887766554433221100ffeeddcc without this file",
    );

    // `hf download --revision COMMIT` writes no `refs/main`.
    let by_commit = Repository::new().snapshot(OLD, FILE, true);
    by_commit.absent("main", FILE, &format!("which `revision = \"{OLD}\"` in the pool asks for"));
    by_commit.found(OLD, FILE, OLD);
    by_commit.absent(&OLD[..7], FILE, "no snapshot of revision 0a1b2c3");
    let branch = Repository::new().write("refs/refs/pr/1", OLD).snapshot(OLD, FILE, true);
    branch.found("refs/pr/1", FILE, OLD);
    branch.absent("main", FILE, "no snapshot of revision main");
    // A snapshot may be called after a branch.
    Repository::new().snapshot("main", FILE, true).found("main", FILE, "main");
    Repository::new().write("snapshots/main/m.gguf", "GGUF").found("main", FILE, "main");

    // White space behind a commit, which the library does not write, is ours alone to ignore.
    main()
        .write("refs/main", &format!("{OLD}\n"))
        .snapshot(OLD, FILE, true)
        .found("main", FILE, OLD);
    for broken in ["", "..", "../..", "snapshots/x"] {
        main().write("refs/main", broken).snapshot(OLD, FILE, true).absent(
            "main",
            FILE,
            "no snapshot of revision main",
        );
    }

    main().snapshot(NEW, FILE, false).absent("main", FILE, "blobs/b, which is not there");
    main().write(&format!("snapshots/{NEW}/m.gguf/x"), "").absent(
        "main",
        FILE,
        "without this file",
    );
    main().snapshot(NEW, FILE, true).write(&format!(".no_exist/{NEW}/m.gguf"), "").absent(
        "main",
        FILE,
        "notes that the repository has no such file at main",
    );
    main().absent("main", FILE, "no snapshot of revision main");
    Repository::new().absent("main", FILE, "no snapshot of revision main");
    main().write("snapshots", "a file").absent("main", FILE, "no snapshot of revision main");
}

#[test]
fn a_cache_without_the_repository_is_named_with_the_variable_that_chose_it() {
    let check = |folder: &Path, variable, expected: &str| {
        let cache = HubCache { folder: folder.to_owned(), variable };
        let absent = cache.find(Wanted { repo: "org/m", revision: MAIN, file: FILE }).unwrap_err();
        assert_eq!(absent.why.replace(folder.to_str().unwrap(), "CACHE"), expected);
        assert_eq!(absent.path, folder.join("models--org--m/snapshots/main/m.gguf"));
    };
    let folder = tempfile::tempdir().unwrap();
    let set = "the hub cache CACHE (set by HF_HOME) holds nothing of org/m";
    check(folder.path(), Some("HF_HOME"), set);
    check(folder.path(), None, "the hub cache CACHE holds nothing of org/m");
    let nowhere = "the hub cache CACHE, which does not exist, holds nothing of org/m";
    check(&folder.path().join("nowhere"), None, nowhere);
}

#[test]
fn the_command_that_fetches_is_whole() {
    assert_eq!(download_command("org/m", None, "a.gguf"), "hf download org/m a.gguf");
    let command = download_command("org/m", Some("v1"), "--include \"a-*-of-00009.gguf\"");
    assert_eq!(command, "hf download org/m --include \"a-*-of-00009.gguf\" --revision v1");
}
