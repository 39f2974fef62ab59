//! Model files that are hostile or odd, given to the program: one line of refusal that names file
//! and layer, or a right result. What the libraries say to such files is in `format_faults.rs`.

mod common;
#[allow(dead_code, reason = "each test file uses some of these")]
mod limits;

use std::fs;
use std::path::Path;

use common::{asset, save_untrained};
use pathscope::file::Contents;
use pathscope::network::{Architecture, Family, Unit};
use serde_json::{Value, json};
use tempfile::tempdir;

/// A small network whose description `change` has changed.
fn odd_card(folder: &Path, change: impl Fn(&mut Value)) {
    let sound = folder.join("sound.safetensors");
    let network = Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 1, 1, 10).unwrap();
    save_untrained(&sound, &network);
    let bytes = fs::read(sound).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..end]).unwrap();
    let text = &mut header["__metadata__"]["pathscope"];
    let mut card = serde_json::from_str(text.as_str().unwrap()).unwrap();
    change(&mut card);
    *text = card.to_string().into();
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    let odd = [&length[..], header.as_bytes(), &bytes[end..]].concat();
    fs::write(folder.join("odd.safetensors"), odd).unwrap();
}

#[test]
fn layers_without_size_are_refused_with_their_names() {
    let folder = tempdir().unwrap();
    let relu = "/specification/blocks/1/branches/0/0";
    for (place, value, named) in [
        ("/specification/stem/0/stride", json!(0), "conv"),
        ("/specification/stem/0/groups", json!(0), "conv"),
        ("/specification/stem/0/outputs", json!(0), "conv"),
        (
            relu,
            json!({"operation": "average_pool", "kernel": 2, "stride": 0}),
            "block 1",
        ),
        (
            relu,
            json!({"operation": "pad_shortcut", "stride": 0, "before": 0, "after": 0}),
            "block 1",
        ),
    ] {
        odd_card(folder.path(), |card| {
            *card.pointer_mut(place).unwrap() = value.clone()
        });
        for words in [
            &["inspect", "odd.safetensors"][..],
            &[
                "eval",
                "odd.safetensors",
                "--data",
                &asset("fashion-mnist-2000"),
                "--limit",
                "4",
            ],
        ] {
            let ended = limits::run(folder.path(), words);
            let refusal = ended.refusal("odd.safetensors").unwrap();
            let refusal = refusal.unwrap_or_else(|| panic!("{place} = {value} was opened"));
            assert!(refusal.contains(named), "{place} = {value}: {refusal}");
        }
    }
}

#[test]
fn names_of_blocks_and_titles_are_escaped_wherever_they_are_printed() {
    let folder = tempdir().unwrap();
    let name = "\u{1b}[31mRED\nerror: fake\r\u{202e}\u{9b}1m";
    odd_card(folder.path(), |card| {
        card["title"] = name.into();
        for block in card["specification"]["blocks"].as_array_mut().unwrap() {
            let old = block["name"].as_str().unwrap().to_owned();
            block["name"] = format!("{old}{name}").into();
        }
    });
    let data = asset("fashion-mnist-2000");
    let few = ["--data", &*data, "--limit", "8"];
    for words in [
        vec!["inspect", "odd.safetensors"],
        [&["eval", "odd.safetensors"], &few[..]].concat(),
        [&["lesion", "odd.safetensors", "--each"], &few[..]].concat(),
        [
            &["lesion", "odd.safetensors", "--drop-block", "no\u{1b}[31m"],
            &few[..],
        ]
        .concat(),
        [&["reorder", "odd.safetensors"], &few[..]].concat(),
    ] {
        let ended = limits::run(folder.path(), &words);
        let printed = format!("{}{}", ended.output, ended.error);
        let odd = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!printed.contains(odd), "{words:?}: {printed:?}");
        assert!(!printed.contains("\nerror: fake"), "{words:?}: {printed}");
    }
}

/// A file of more than a gigabyte is mapped; it has no numbers and takes no room on the disk.
#[test]
fn a_large_file_that_changes_while_it_is_read_is_noticed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let large = (1 << 30) + 4096;
    for (length, same) in [(large, true), (4096, false), (0, false), (large + 1, false)] {
        file.as_file().set_len(large).unwrap();
        let contents = Contents::read(file.path()).unwrap();
        assert_eq!(contents.len() as u64, large);
        file.as_file().set_len(length).unwrap();
        assert_eq!(contents.verify().is_ok(), same, "{length}");
    }
    // What fits into memory does not change any more.
    fs::write(file.path(), b"whole").unwrap();
    let contents = Contents::read(file.path()).unwrap();
    fs::write(file.path(), b"").unwrap();
    assert!(contents.verify().is_ok() && *contents == *b"whole");
}

/// Losses may differ in their last digits with the size of a batch; counts never do.
#[test]
fn the_size_of_a_batch_changes_no_count_and_no_loss_visibly() {
    let folder = tempdir().unwrap();
    let model = common::shipped_model();
    let measured = |batch: &str| {
        let file = format!("{batch}.jsonl");
        let words = [
            "-q", "lesion", &model, "--each", "--limit", "40", "--batch", batch,
        ];
        common::succeed(folder.path(), &[&words[..], &["--results", &file]].concat());
        common::records(&folder.path().join(file))
    };
    let whole = measured("40");
    for batch in ["1", "7", "16"] {
        for (one, other) in measured(batch).iter().zip(&whole) {
            for exact in ["key", "errors", "wrong", "errors_by_class"] {
                assert_eq!(one[exact], other[exact], "--batch {batch}");
            }
            for near in ["loss", "margin"] {
                let (a, b) = (one[near].as_f64().unwrap(), other[near].as_f64().unwrap());
                assert!(
                    (a - b).abs() <= 1e-5 * b.abs().max(1.0),
                    "--batch {batch}: {a} {b}"
                );
            }
        }
    }
}

/// Each kind of lesion either measures with renewed statistics or is refused as its options are read.
#[test]
fn kinds_of_lesions_with_renewed_statistics_work() {
    let folder = tempdir().unwrap();
    let model = common::shipped_model();
    for kind in ["delete", "mean", "resample", "noise", "linear", "skip"] {
        let words = ["lesion", &model, "--drop-block", "1", "--limit", "24"];
        let words = [&words[..], &["--kind", kind, "--bn", "recalibrate"]].concat();
        let ended = limits::run(folder.path(), &words);
        match ended.status.code() {
            Some(0) => assert!(
                ended.output.contains("layer1.1"),
                "{kind}: {}",
                ended.output
            ),
            Some(2) => assert!(ended.error.contains("--bn"), "{kind}: {}", ended.error),
            _ => panic!("{kind}: {ended:?}"),
        }
    }
}

mod needs_shared {
    use super::*;

    fn faults() -> std::path::PathBuf {
        common::shared("cases/faults").into()
    }

    #[track_caller]
    fn refused(words: &[&str], file: &str) -> String {
        let ended = limits::run(&faults(), words);
        let refusal = ended.refusal(file).unwrap();
        refusal
            .unwrap_or_else(|| panic!("{words:?} was taken"))
            .to_owned()
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn layers_without_size_are_named() {
        for (file, named) in [
            ("card-avgpool-stride0.safetensors", "pool"),
            ("card-conv-groups0.safetensors", "conv"),
        ] {
            for command in ["inspect", "eval"] {
                let said = refused(&[command, file], file);
                assert!(said.contains(named), "{said}");
            }
        }
    }

    /// Whatever instructions libtorch and the project's own kernel use.
    #[test]
    #[ignore = "needs ../shared"]
    fn numbers_of_another_type_never_reach_a_kernel() {
        for file in ["winograd-segv.safetensors", "winograd-u8.safetensors"] {
            for set in ["default", "avx2", "avx512"] {
                let done = std::process::Command::new(env!("CARGO_BIN_EXE_pathscope"))
                    .args(["-q", "eval", file, "--limit", "16"])
                    .current_dir(faults())
                    .env("ATEN_CPU_CAPABILITY", set)
                    .env("PATHSCOPE_ASSETS", asset(""))
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&done.stderr);
                assert_eq!(done.status.code(), Some(2), "{file}, {set}: {said}");
                assert!(said.contains(file), "{said}");
            }
        }
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn wide_pickles_take_little_time() {
        for file in ["time-ordereddict.pth", "time-wrappers.pth"] {
            refused(&["inspect", file], file);
        }
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn deep_brackets_take_little_time() {
        let file = "npz-header-brackets.npz";
        let model = common::shipped_model();
        refused(&["eval", &model, "--data", file], file);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn names_do_not_write_to_the_terminal() {
        for file in [
            "term.safetensors",
            "term-plain.safetensors",
            "term-pickle.pth",
        ] {
            for command in ["inspect", "eval", "lesion"] {
                let data = asset("fashion-mnist-2000");
                let mut words = vec![command, file];
                if command != "inspect" {
                    words.extend(["--limit", "8", "--data", &*data]);
                }
                let ended = limits::run(&faults(), &words);
                ended.refusal(file).unwrap();
                let printed = format!("{}{}", ended.output, ended.error);
                assert!(!printed.contains("\nerror: fake"), "{words:?}: {printed}");
            }
        }
    }
}
