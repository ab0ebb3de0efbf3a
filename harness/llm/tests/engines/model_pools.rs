//! Pool files, good and bad; hashes; the hub cache's layout.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gra_files::digest::DigestCache;
use gra_llm::engine::Engine;
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::check::{Footprint, HashCheck, PoolPart};
use gra_llm::model_pool::{Backend, Dialect, ModelFileError, ModelPool, ModelSource, PoolError};
use gra_synth::request::{ModelName, Sampling};

use crate::gguf::write_parts;

const HEAD: &str = "name = \"demo\"\n[encoder]\nname = \"minilm\"\npath = \"minilm.gguf\"\n";

fn parse(models: &str) -> Result<ModelPool, PoolError> {
    ModelPool::parse(&format!("{HEAD}{models}"), Path::new("pool.toml"), Path::new("models"))
}

#[test]
fn a_whole_pool_is_read() {
    let pool = parse(
        "[[model]]\nname = \"small\"\npath = \"small.gguf\"\nparameters = 134515008\n\
         licence = \"Apache-2.0\"\ncontext = 2048\nfamily = \"smollm2\"\n\
         sha256 = \"AB00000000000000000000000000000000000000000000000000000000000000\"\n\
         [model.sampling]\ntemperature = 0.7\n\
         [[model]]\nname = \"hub\"\nrepo = \"someone/some-GGUF\"\nfile = \"some-Q8_0.gguf\"\n",
    )
    .unwrap();
    let small = pool.model(&ModelName::new("small")).unwrap();
    let small_file = ModelSource::Path(Path::new("models/small.gguf").to_owned());
    assert_eq!(small.backend, Backend::LlamaCpp(small_file));
    assert!(small.sha256[0].starts_with("ab00"), "in small letters");
    assert_eq!((small.context, small.parameters), (Some(2048), Some(134_515_008)));
    let sampling = small.sampling.apply(Sampling::default());
    assert_eq!(sampling, Sampling { temperature: 0.7, top_p: 0.9 });
    let hub = pool.model(&ModelName::new("hub")).unwrap();
    let missing = hub.source().unwrap().locate("hub").unwrap_err().to_string();
    assert!(missing.contains("hint: hf download someone/some-GGUF some-Q8_0.gguf"), "{missing}");
    assert!(missing.contains("models--someone--some-GGUF"), "{missing}");
    assert!(pool.model(&ModelName::new("other")).is_none());
}

#[test]
fn teachers_are_found_and_are_no_members() {
    let member = "[[model]]\nname = \"a\"\npath = \"a.gguf\"\n";
    let teacher = |name: &str, rest: &str| format!("[[teacher]]\nname = \"{name}\"\n{rest}\n");
    let pool = parse(&format!("{member}{}", teacher("large", "path = \"large.gguf\""))).unwrap();
    assert_eq!(pool.models.len(), 1);
    assert_eq!(pool.model(&ModelName::new("large")), pool.teachers.first());
    let checked = pool.check(&mut DigestCache::in_memory());
    let names: Vec<&str> = checked.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["a", "large", "minilm"]);
    let cases = [
        (teacher("large", ""), "teacher.0.path: is missing"),
        (teacher("a", "path = \"b.gguf\""), "teacher.0.name: `a` is already the name of model.0"),
        (teacher("b", "path = \"b\"\nurl = \"http://b\""), "teacher.0.url: has no effect"),
    ];
    for (written, expected) in cases {
        let error = parse(&format!("{member}{written}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{written}\n{error}");
    }
    let alone = parse(&teacher("large", "path = \"large.gguf\"")).unwrap_err().to_string();
    assert!(alone.contains("no models"), "{alone}");
}

#[test]
fn a_server_may_hold_a_model() {
    let server = "[[model]]\nname = \"big\"\nbackend = \"server\"\nparameters = 72706203648\n\
                  url = \"http://10.0.0.7:8000/v1/\"\nmodel = \"org/big\"\ndialect = \"vllm\"\n";
    let pool = parse(server).unwrap();
    let Backend::Server(plain) = &pool.models[0].backend else { panic!("{pool:?}") };
    assert_eq!(plain.url, "http://10.0.0.7:8000/v1", "no slash at the end");
    assert_eq!((plain.dialect, plain.concurrency, plain.timeout_s), (Dialect::Vllm, 16, 600));
    assert_eq!(
        (&plain.api_key_env, &plain.identity, pool.models[0].source()),
        (&None, &None, None)
    );
    let all = format!(
        "{server}api_key_env = \"BIG_KEY\"\nconcurrency = 64\ntimeout_s = 30\nidentity = \"v2\"\n\
         [model.sampling]\ntemperature = 0.5\n"
    );
    let pool = parse(&all).unwrap();
    let Backend::Server(all) = &pool.models[0].backend else { panic!("{pool:?}") };
    assert_eq!(all.api_key_env.as_deref(), Some("BIG_KEY"));
    assert_eq!((all.concurrency, all.timeout_s, all.identity.as_deref()), (64, 30, Some("v2")));
    assert_eq!(pool.models[0].sampling.temperature, Some(0.5));
    assert_eq!(pool.check(&mut DigestCache::in_memory()).len(), 1, "the encoder alone has a file");
}

#[test]
fn broken_pools_name_the_field() {
    let model = "[[model]]\nname = \"a\"\n";
    let path = "[[model]]\nname = \"a\"\npath = \"a.gguf\"\n";
    let served = "[[model]]\nname = \"a\"\nbackend = \"server\"\n";
    let (url, sent) = ("url = \"http://a:1/v1\"\n", "model = \"org/a\"\n");
    let dialect = "dialect = \"sglang\"\n";
    let parts = "[[model]]\nname = \"a\"\npath = \"a-00001-of-00003.gguf\"\n";
    let hub = "[[model]]\nname = \"a\"\nrepo = \"a/b\"\nfile = \"b.gguf\"\n";
    let hash = "0".repeat(64);
    let cases = [
        (String::new(), "no models"),
        (model.to_owned(), "model.0.path: is missing"),
        (format!("{model}path = \"x\"\nrepo = \"a/b\"\n"), "either `path`, or `repo`"),
        (format!("{model}repo = \"a/b\"\n"), "model.0.file: is missing"),
        (format!("{model}file = \"b.gguf\"\n"), "model.0.repo: is missing"),
        (format!("{model}repo = \"nameonly\"\nfile = \"b\"\n"), "ORGANISATION/NAME"),
        (format!("{model}repo = \"a/..\"\nfile = \"b\"\n"), "ORGANISATION/NAME"),
        (format!("{model}repo = \"a/b\"\nfile = \"../../b\"\n"), "model.0.file"),
        (format!("{path}{path}"), "model.1.name: `a` is already the name of model.0"),
        ("[[model]]\nname = \" \"\npath = \"a\"\n".to_owned(), "model.0.name: is empty"),
        (format!("{path}sha256 = \"12\"\n"), "64 hexadecimal digits"),
        (format!("{path}sha256 = 12\n"), "the hash of the file, or a list"),
        (format!("{path}sha256 = [\"{hash}\", \"{hash}\"]\n"), "the model has one file"),
        (format!("{parts}sha256 = \"{hash}\"\n"), "has 3 parts and needs a list of 3 hashes"),
        (format!("{path}revision = \"v1\"\n"), "revision: has no effect with `path`"),
        (format!("{hub}revision = \"../x\"\n"), "revision: must be a branch"),
        (format!("{served}{url}{sent}{dialect}revision = \"v1\"\n"), "revision: has no effect"),
        (
            format!("{model}path = \"q/a-00002-of-00003.gguf\"\n"),
            "model.0.path: is part 2 of a model; name the first, a-00001-of-00003.gguf",
        ),
        (
            format!("{model}repo = \"a/b\"\nfile = \"q/a-00003-of-00003.gguf\"\n"),
            "model.0.file: is part 3 of a model; name the first, q/a-00001-of-00003.gguf",
        ),
        (format!("{path}sha265 = \"12\"\n"), "unknown field `sha265`"),
        (format!("{path}context = 0\n"), "model.0.context"),
        (format!("{path}size_gb = 0.0\n"), "model.0.size_gb"),
        (format!("{served}{url}{sent}{dialect}size_gb = 4.9\n"), "size_gb: has no effect"),
        (format!("{path}backend = \"torch\"\n"), "unknown variant `torch`"),
        (format!("{path}[model.sampling]\ntop_p = 0.0\n"), "sampling.top_p"),
        (format!("{path}[model.sampling]\ntemperature = -1.0\n"), "sampling.temperature"),
        (format!("{path}[model.sampling]\ntop_k = 4\n"), "unknown field `top_k`"),
        (
            format!("{path}url = \"http://a/v1\"\n"),
            "url: has no effect with backend = \"llama.cpp\"",
        ),
        (format!("{served}{url}{sent}{dialect}path = \"a\"\n"), "path: has no effect"),
        (format!("{served}{url}{sent}{dialect}context = 9\n"), "context: has no effect"),
        (format!("{served}{sent}{dialect}"), "model.0.url: is missing"),
        (format!("{served}{url}{dialect}"), "model.0.model: is missing"),
        (format!("{served}{url}{sent}"), "model.0.dialect: is missing"),
        (format!("{served}url = \"127.0.0.1\"\n{sent}{dialect}"), "must begin with http://"),
        (format!("{served}url = \"http://me:word@a\"\n{sent}{dialect}"), "without user"),
        (format!("{served}{url}{sent}dialect = \"openai\"\n"), "unknown variant `openai`"),
        (format!("{served}{url}{sent}{dialect}concurrency = 0\n"), "concurrency: must be from 1"),
        (format!("{served}{url}{sent}{dialect}timeout_s = 0\n"), "timeout_s: is 0"),
        (
            format!("{served}{url}{sent}{dialect}api_key_env = \"\"\n"),
            "api_key_env: must be the name",
        ),
        (format!("{served}{url}{sent}{dialect}api_key = \"k\"\n"), "unknown field `api_key`"),
    ];
    for (models, expected) in cases {
        let error = parse(&models).unwrap_err().to_string();
        assert!(error.contains(expected), "{models}\n{error}");
        assert!(error.contains("pool.toml"), "{error}");
    }
    let nameless =
        "name = \"\"\n[encoder]\nname = \"e\"\npath = \"e\"\n[[model]]\nname=\"a\"\npath=\"a\"";
    let error = ModelPool::parse(nameless, Path::new("pool.toml"), Path::new("")).unwrap_err();
    assert!(error.to_string().contains("name: is empty"), "{error}");
    let absent = ModelPool::load(Path::new("/no/pool.toml"), Path::new("")).unwrap_err();
    assert!(matches!(absent, PoolError::Read { .. }));
}

#[test]
fn hashes_are_checked_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    let cache = folder.path().join("cache/digests.json");
    fs::write(&file, b"abc").unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(DigestCache::at(&cache).sha256(&file).unwrap(), abc);
    assert!(fs::read_to_string(&cache).unwrap().contains(abc));
    // Remembered: an entry that was tampered with is believed while size and time match.
    let tampered = fs::read_to_string(&cache).unwrap().replace(abc, &"0".repeat(64));
    fs::write(&cache, tampered).unwrap();
    assert_eq!(DigestCache::at(&cache).sha256(&file).unwrap(), "0".repeat(64));
    fs::write(&file, b"abcd").unwrap();
    let changed = DigestCache::at(&cache).sha256(&file).unwrap();
    assert!(changed.starts_with("88d4266fd4e6338d"), "{changed}");
    fs::write(&cache, b"{broken").unwrap();
    assert_eq!(DigestCache::at(&cache).sha256(&file).unwrap(), changed);
    let source = ModelSource::Path(file);
    let verify = |hash: &str| source.verify("m", &[hash.to_owned()], &mut DigestCache::in_memory());
    let wrong = verify(abc).unwrap_err();
    assert!(matches!(wrong, ModelFileError::WrongHash { .. }), "{wrong}");
    assert!(verify(&changed).is_ok());
}

#[test]
fn the_check_tells_what_is_wrong_with_each_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.gguf"), b"hello").unwrap();
    let pool = format!("{HEAD}[[model]]\nname = \"text\"\npath = \"text.gguf\"\n");
    let pool = ModelPool::parse(&pool, Path::new("pool.toml"), folder.path()).unwrap();
    let checks = pool.check(&mut DigestCache::in_memory());
    assert_eq!(checks.len(), 2);
    assert_eq!(checks[0].found.as_ref().unwrap().hash, HashCheck::Unpinned);
    let said = checks[0].problem().unwrap();
    assert!(
        said.contains("model `text` cannot be used") && said.contains("not a GGUF file"),
        "{said}"
    );
    assert_eq!(checks[1].part, PoolPart::Encoder);
    let said = checks[1].problem().unwrap();
    assert!(said.contains("the file of model `minilm` is missing"), "{said}");
    assert!(said.contains("has no such file"), "where it was looked for is said: {said}");
}

#[test]
fn a_footprint_counts_files_once_and_says_what_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("here.gguf"), vec![0; 700]).unwrap();
    let entry = |kind: &str, name: &str, path: &str, rest: &str| {
        format!("[[{kind}]]\nname = \"{name}\"\npath = \"{path}\"\n{rest}\n")
    };
    let models = [
        // What is here is measured, whatever the pool states.
        entry("model", "here", "here.gguf", "size_gb = 3.0"),
        entry("model", "there", "there.gguf", "size_gb = 2.5"),
        entry("model", "nowhere", "nowhere.gguf", ""),
        entry("teacher", "again", "there.gguf", "size_gb = 2.5"),
        entry("teacher", "large", "large.gguf", "size_gb = 47.42"),
    ];
    let pool = format!("{HEAD}{}", models.concat());
    let pool = ModelPool::parse(&pool, Path::new("pool.toml"), folder.path()).unwrap();
    let checks = pool.check(&mut DigestCache::in_memory());
    let largest = |name: &str, bytes| Some((name.to_owned(), bytes));
    let members = Footprint::of(&checks, &[PoolPart::Member, PoolPart::Encoder]);
    let expected = Footprint {
        disk: 2_500_000_700,
        missing: 2_500_000_000,
        unknown: 2,
        largest: largest("there", 2_500_000_000),
    };
    assert_eq!(members, expected);
    let all = Footprint::of(&checks, &[PoolPart::Member, PoolPart::Teacher]);
    assert_eq!((all.disk, all.unknown), (49_920_000_700, 1));
    assert_eq!(all.largest, largest("large", 47_420_000_000));
}

#[test]
fn the_pools_of_the_repository_fit_every_experiment() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/pools");
    for name in ["demo", "laptop", "paper"] {
        let file = folder.join(format!("{name}.toml"));
        let pool = ModelPool::load(&file, Path::new("models")).unwrap();
        assert_eq!((pool.name.as_str(), pool.models.len()), (name, 5));
        let teachers: Vec<&str> = pool.teachers.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(teachers, ["teacher-small", "teacher-large"], "{name}");
        for model in pool.members_and_teachers() {
            let stated = model.parameters.is_some() && model.licence.is_some();
            assert!(stated && model.family.is_some() && model.context.is_some(), "{}", model.name);
            let is_of_hub = matches!(model.source(), Some(ModelSource::Hub { .. }));
            assert!(!is_of_hub || model.size.is_some(), "{}", model.name);
        }
    }
}

/// A pool with a model in three parts, which lie in this folder.
fn pool_of_parts(folder: &Path, rest: &str) -> ModelPool {
    let model = format!("[[model]]\nname = \"split\"\npath = \"m-00001-of-00003.gguf\"\n{rest}");
    ModelPool::parse(&format!("{HEAD}{model}"), Path::new("pool.toml"), folder).unwrap()
}

#[test]
fn every_part_is_looked_for_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let parts = write_parts(folder.path(), "m");
    let check = |pool: &ModelPool| pool.check(&mut DigestCache::in_memory()).swap_remove(0);
    let whole = check(&pool_of_parts(folder.path(), ""));
    let found = whole.found.as_ref().unwrap();
    assert_eq!(whole.problem(), None);
    assert_eq!(found.files.len(), 3);
    let size: u64 = parts.iter().map(|part| fs::metadata(part).unwrap().len()).sum();
    assert_eq!((found.size(), whole.present), (size, size));

    let last = fs::metadata(&parts[2]).unwrap().len();
    fs::remove_file(&parts[2]).unwrap();
    let pool = pool_of_parts(folder.path(), "size_gb = 0.000002\n");
    let said = check(&pool).problem().unwrap();
    assert!(said.contains("part 3 of 3 of model `split` is missing"), "{said}");
    assert!(said.contains("m-00003-of-00003.gguf"), "{said}");
    let footprint = Footprint::of(&[check(&pool)], &[PoolPart::Member]);
    assert_eq!((footprint.disk, footprint.missing), (2000, 2000 - (size - last)));
    fs::remove_file(&parts[0]).unwrap();
    let said = check(&pool).problem().unwrap();
    assert!(said.contains("parts 1, 3 of 3 of model `split`"), "{said}");

    let hub = "[[model]]\nname = \"h\"\nrepo = \"org/m\"\nfile = \"q/h-00001-of-00005.gguf\"\n\
               revision = \"v1\"\n";
    let said = check(&parse(hub).unwrap()).problem().unwrap();
    let command = "hf download org/m --include \"q/h-*-of-00005.gguf\" --revision v1";
    assert!(said.contains("parts 1, 2, 3, .. of 5") && said.contains(command), "{said}");
}

#[test]
fn a_fingerprint_is_of_all_parts() {
    let folder = tempfile::tempdir().unwrap();
    let parts = write_parts(folder.path(), "m");
    let fingerprint = |pool: &ModelPool| {
        let mut engine = LlamaEngine::new(pool.clone(), EngineSettings::default());
        engine.fingerprint(&ModelName::new("split"))
    };
    let pool = pool_of_parts(folder.path(), "");
    let before = fingerprint(&pool).unwrap();
    let mut fingerprints = BTreeSet::from([before.clone()]);
    for part in &parts {
        let whole = fs::read(part).unwrap();
        let mut other = whole.clone();
        *other.last_mut().unwrap() ^= 1;
        fs::write(part, &other).unwrap();
        fingerprints.insert(fingerprint(&pool).unwrap());
        fs::write(part, &whole).unwrap();
    }
    assert_eq!(fingerprints.len(), 4, "{fingerprints:?}");
    assert_eq!(fingerprint(&pool).unwrap(), before);

    // Pinned, it is known without the files, and a part that is not the pinned one is named.
    let hashes = pool.models[0].source().unwrap().verify("m", &[], &mut DigestCache::in_memory());
    let hashes = hashes.unwrap().sha256;
    let pinned = pool_of_parts(folder.path(), &format!("sha256 = {hashes:?}\n"));
    fs::write(&parts[1], b"GGUF").unwrap();
    let error = fingerprint(&pinned).unwrap_err().to_string();
    assert!(error.contains("m-00002-of-00003.gguf has sha256"), "{error}");
    for part in parts {
        fs::remove_file(part).unwrap();
    }
    assert_eq!(fingerprint(&pinned).unwrap(), before);
    assert!(fingerprint(&pool).unwrap_err().to_string().contains("parts 1, 2, 3 of 3"));
}

#[test]
fn files_are_found_unusable_before_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let parts = write_parts(folder.path(), "m");
    let usable = || pool_of_parts(folder.path(), "").models[0].check_usable();
    usable().unwrap();
    let bytes = fs::read(&parts[2]).unwrap();
    fs::write(&parts[2], &bytes[..bytes.len() - 1]).unwrap();
    let error = usable().unwrap_err().to_string();
    for part in ["model `split`", "in its part m-00003-of-00003.gguf", "cut short"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
