//! Damaged model files are messages, never an abort or a large allocation; what passes is what llama.cpp's
//! own reader takes, and its length is what llama.cpp expects.

#![allow(
    clippy::unwrap_used,
    unsafe_code,
    reason = "these are tests, and one asks llama.cpp itself"
)]

#[path = "support/gguf.rs"]
mod gguf;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CString;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use gguf::{F32, Gguf, Q8_0, write_parts};
use gra_llm::gguf::{GgufHeader, GgufModel};
use llama_cpp_sys_2 as sys;
use proptest::prelude::*;

/// The system's allocator, which notes how large the largest allocation was.
struct Noting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

/// More than any of these files needs, and far less than their damaged lengths ask for.
const MUCH: usize = 32 << 20;

fn small() -> Gguf {
    Gguf::generator()
        .tensor("token_embd.weight", &[32, 3], Q8_0, 102)
        .tensor("output_norm.weight", &[7], F32, 28)
        .tensor("blk.0.attn_q.weight", &[32, 2, 2], Q8_0, 136)
}

/// What llama.cpp's reader says: where the last tensor ends, or nothing when it refuses the file.
fn end_by_llama(path: &Path) -> Option<u64> {
    let name = CString::new(path.to_str().unwrap()).unwrap();
    let params = sys::gguf_init_params { no_alloc: true, ctx: std::ptr::null_mut() };
    // SAFETY: the name ends with NUL; the context is used only when it is there, and freed once.
    unsafe {
        let context = sys::gguf_init_from_file(name.as_ptr(), params);
        if context.is_null() {
            return None;
        }
        let begin = sys::gguf_get_data_offset(context);
        let tensors = sys::gguf_get_n_tensors(context);
        let end =
            |at| sys::gguf_get_tensor_offset(context, at) + sys::gguf_get_tensor_size(context, at);
        let last = (0..tensors).map(end).max().map_or(0, |end| begin + end);
        sys::gguf_free(context);
        Some(last as u64)
    }
}

#[test]
fn every_cut_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    let bytes = small().bytes();
    for length in 0..=bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let read = GgufHeader::read(&path);
        assert_eq!(read.is_ok(), length == bytes.len(), "{length} of {} bytes", bytes.len());
        let Err(error) = read else { continue };
        let error = error.to_string();
        let is_told = ["cut short", "ends within", "fewer than four", "room for"];
        assert!(is_told.iter().any(|part| error.contains(part)), "{length} bytes: {error}");
    }
    // Padding behind the last tensor is no part of it.
    fs::write(&path, [bytes.as_slice(), &[0; 40]].concat()).unwrap();
    assert_eq!(GgufHeader::read(&path).unwrap().end(), bytes.len() as u64);
}

#[test]
fn damage_is_described() {
    let check = |bytes: &[u8], expected: &str| {
        let mut input = bytes;
        let error = GgufHeader::parse(&mut input, bytes.len() as u64).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    };
    let at = |place: usize, value: &[u8]| {
        let mut bytes = small().bytes();
        bytes[place..place + value.len()].copy_from_slice(value);
        bytes
    };
    check(b"", "fewer than four bytes");
    check(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer");
    check(b"<!DOCTYPE html><html>", "web page");
    check(b"PK\x03\x04archive/data.pkl", "ZIP archive");
    check(b"tjgg\x01\0\0\0", "before GGUF");
    check(b"GGML", "does not begin with the letters GGUF");
    check(&at(4, &1_u32.to_le_bytes()), "version 1 is not supported");
    check(&at(4, &4_u32.to_le_bytes()), "version 4 is not supported");
    check(&at(4, &3_u32.to_be_bytes()), "big-endian");
    for count in [u64::MAX, 1 << 63, 1 << 40, 1 << 28, 2000] {
        check(&at(8, &count.to_le_bytes()), "a count is larger than the file has room for");
        check(&at(16, &count.to_le_bytes()), "a count is larger than the file has room for");
        check(&at(24, &count.to_le_bytes()), "a count is larger than the file has room for");
    }
    let tensor =
        |name: &str, shape: &[u64], kind| Gguf::generator().tensor(name, shape, kind, 64).bytes();
    check(&tensor("a", &[32], 4), "numbers of type 4");
    check(&tensor("a", &[32], 4_000_000_000), "numbers of type 4000000000");
    check(&tensor("a", &[33], Q8_0), "do not fill");
    check(&tensor("a", &[u64::MAX, 2], F32), "impossibly large");
    check(&tensor("a", &[1; 5], F32), "more than 4 dimensions");
    check(&tensor(&"a".repeat(64), &[1], F32), "impossibly long");
    let twice = small().tensor("token_embd.weight", &[1], F32, 4).bytes();
    check(&twice, "two tensors have one name");
    check(&Gguf::generator().text("llama.context_length", "x").bytes(), "occurs twice");
    check(&Gguf::generator().number("", 1).bytes(), "a key is empty");
    let aligned = |bytes: u32| Gguf::generator().number("general.alignment", bytes).bytes();
    check(&aligned(0), "no power of two");
    check(&aligned(48), "no power of two");
    check(&Gguf::generator().short("general.alignment", 32).bytes(), "no 32-bit number");
    check(&Gguf::generator().pair("x", 77, &[0]).bytes(), "unknown type");
    let gap = small().tensor("z", &[8], F32, 32).bytes();
    let offset = gap.windows(8).rposition(|window| window == 320_u64.to_le_bytes()).unwrap();
    let mut moved = gap.clone();
    moved[offset..offset + 8].copy_from_slice(&352_u64.to_le_bytes());
    check(&moved, "lies where another is, or leaves a gap");
}

proptest! {
    /// Whatever is done to a file, reading it ends with a message or with facts that fit the file, in little
    /// memory; and what passes passes llama.cpp's own reader.
    #[test]
    fn damage_of_any_kind_is_a_message(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        words in proptest::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 0..2),
        keep in any::<prop::sample::Index>(),
        cuts in prop::bool::weighted(0.3),
    ) {
        let mut bytes = small().bytes();
        for (place, value) in flips {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        for (place, value) in words {
            let place = place.index(bytes.len() - 8);
            bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
        }
        if cuts {
            bytes.truncate(keep.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.gguf");
        fs::write(&path, &bytes).unwrap();
        let before = LARGEST.load(Ordering::Relaxed);
        match GgufModel::read(&path) {
            Ok(model) => {
                prop_assert!(model.header.end() <= bytes.len() as u64);
                prop_assert_eq!(end_by_llama(&path), Some(model.header.end()));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        prop_assert!(before.max(LARGEST.load(Ordering::Relaxed)) < MUCH);
    }

    /// The end that the header speaks of is llama.cpp's, for every type that it has.
    #[test]
    fn tensors_end_where_llama_has_them_end(
        tensors in proptest::collection::vec((0..sys::GGML_TYPE_COUNT, 1_u64..4, 0_u64..4), 1..6),
    ) {
        let mut file = Gguf::generator();
        for (number, (kind, blocks, rows)) in tensors.iter().enumerate() {
            // SAFETY: both look a type's number up in a table.
            let (width, bytes) = unsafe { (sys::ggml_blck_size(*kind), sys::ggml_type_size(*kind)) };
            let shape = [u64::try_from(width).unwrap() * blocks, *rows];
            let bytes = bytes * usize::try_from(blocks * rows).unwrap();
            file = file.tensor(&format!("t{number}"), &shape, *kind, bytes);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("types.gguf");
        file.write(&path);
        let ours = GgufHeader::read(&path).ok().map(|header| header.end());
        prop_assert_eq!(ours, end_by_llama(&path));
        let is_known = |kind: u32| unsafe { sys::ggml_blck_size(kind) } > 0;
        prop_assert_eq!(ours.is_some(), tensors.iter().all(|(kind, ..)| is_known(*kind)));
    }
}

#[test]
fn parts_are_one_model() {
    let folder = tempfile::tempdir().unwrap();
    let parts = write_parts(folder.path(), "m");
    let model = GgufModel::read(&parts[0]).unwrap();
    assert_eq!(model.header.tensors.len(), 6, "of all parts");
    assert_eq!(model.header.trained_context(), Some(512), "as the first part says");
    let sizes = parts.iter().map(|part| fs::metadata(part).unwrap().len());
    assert_eq!(model.size, sizes.sum::<u64>());
}

#[test]
fn parts_that_do_not_belong_together_are_told() {
    let check = |damage: &dyn Fn(&[std::path::PathBuf]), expected: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let parts = write_parts(folder.path(), "m");
        damage(&parts);
        let error = GgufModel::read(&parts[0]).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{part}: {error}");
        }
    };
    let cut = |parts: &[std::path::PathBuf]| {
        let bytes = fs::read(&parts[1]).unwrap();
        fs::write(&parts[1], &bytes[..bytes.len() - 1]).unwrap();
    };
    check(&cut, &["in its part m-00002-of-00003.gguf", "cut short"]);
    let swap = |parts: &[std::path::PathBuf]| {
        let (second, third) = (fs::read(&parts[1]).unwrap(), fs::read(&parts[2]).unwrap());
        fs::write(&parts[1], third).unwrap();
        fs::write(&parts[2], second).unwrap();
    };
    check(&swap, &["m-00002-of-00003.gguf", "it is part 3 of 3, and it should be part 2 of 3"]);
    let whole = |parts: &[std::path::PathBuf]| small().write(&parts[2]);
    check(&whole, &["m-00003-of-00003.gguf", "no part of a model"]);
    let merged = |parts: &[std::path::PathBuf]| small().write(&parts[0]);
    check(&merged, &["one of 3 parts", "a whole model"]);
    let third = |parts: &[std::path::PathBuf]| fs::remove_file(&parts[2]).unwrap();
    check(&third, &["in its part m-00003-of-00003.gguf", "No such file"]);
    let fewer = |parts: &[std::path::PathBuf]| {
        let part = Gguf::default().short("split.no", 2).short("split.count", 3);
        part.tensor("blk.2.a", &[1], F32, 4).write(&parts[2]);
    };
    check(&fewer, &["hold 5 tensors together, and the first says 6"]);
    let again = |parts: &[std::path::PathBuf]| {
        let part = Gguf::default().short("split.no", 2).short("split.count", 3);
        part.tensor("blk.1.a", &[1], F32, 4).write(&parts[2]);
    };
    check(&again, &["holds blk.1.a, which another part has too"]);
    // A part under another name: llama.cpp would not find the others.
    let folder = tempfile::tempdir().unwrap();
    let parts = write_parts(folder.path(), "m");
    let renamed = folder.path().join("renamed.gguf");
    fs::rename(&parts[0], &renamed).unwrap();
    let error = GgufModel::read(&renamed).unwrap_err().to_string();
    assert!(error.contains("part 1 of a model in 3 parts"), "{error}");
    assert!(error.contains("-00001-of-00003.gguf"), "{error}");
}
