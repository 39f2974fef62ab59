//! Model files of the kinds that people report trouble with: the scripts of `../shared/cases` make
//! them with PyTorch, and an oracle each, images labelled by what PyTorch itself predicts.
//!
//! | case | where it is tested |
//! |---|---|
//! | 00 to 04, 07 to 11 | here |
//! | 05, 14 to 19, 21 to 24 | `cases_data.rs` |
//! | 25 (Parquet) | `cases.rs`, `data_formats.rs`: its script needs pyarrow |
//! | 26, 27, 29, 30 | here |
//! | 28 (denormal numbers) | here for its numbers; tests assert no times |
//! | 33, 42, 48, 49 | `cases_data.rs` |
//! | 34 to 37, 40, 41, 43 to 46, 51, 52 | here |
//!
//! Small files of the same kinds, for which no PyTorch is needed, are in `cases.rs`.

mod common;

mod needs_torch {
    use std::path::Path;
    use std::process::Command;

    use super::common::{pathscope, shared};

    /// Runs the script of `../shared/cases` whose name begins with `number`, in a new folder.
    fn made(number: &str) -> tempfile::TempDir {
        made_and_printed(number).0
    }

    /// As [`made`], with what the script printed.
    fn made_and_printed(number: &str) -> (tempfile::TempDir, String) {
        let cases = shared("cases");
        let scripts = std::fs::read_dir(&cases).unwrap();
        let mut scripts = scripts.map(|entry| entry.unwrap().path());
        let is_wanted = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(&format!("{number}-"))
        };
        let script = scripts.find(is_wanted).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        let output = Command::new(python)
            .arg(script)
            .env("PYTHONPATH", cases)
            .current_dir(folder.path())
            .output()
            .unwrap();
        // What comes after the files that a case needs may need more.
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(folder.path().read_dir().unwrap().count() > 0, "{error}");
        (folder, String::from_utf8(output.stdout).unwrap())
    }

    /// Standard output of a command that must succeed.
    fn output(folder: &Path, words: &str) -> String {
        crate::common::succeed(folder, &words.split(' ').collect::<Vec<_>>())
    }

    /// The message of a command that must refuse a file, which names `part`.
    fn assert_inspect_refuses(folder: &Path, file: &str, part: &str) {
        let mut command = pathscope();
        let command = command.current_dir(folder).args(["inspect", file]);
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{file}: {error}");
        assert!(error.contains(part), "{file}: {error}");
    }

    /// Names of the blocks of a model.
    fn blocks(folder: &Path, file: &str) -> Vec<String> {
        let answer = output(folder, &format!("inspect {file} --format json"));
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let blocks = answer["blocks"].as_array().unwrap().iter();
        let name = |block: &serde_json::Value| block["name"].as_str().unwrap().to_owned();
        blocks.map(name).collect()
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision, timm and transformers"]
    fn exported_networks_of_transformers_open() {
        let folder = made("00");
        for (name, count) in [
            ("vit", 6),
            ("deit", 6),
            ("beit", 6),
            ("swin", 8),
            ("bit", 4),
        ] {
            let (file, oracle) = (format!("{name}.pt2"), format!("oracle-{name}.npz"));
            without_errors(folder.path(), &file, &oracle, &[]);
            assert_eq!(blocks(folder.path(), &file).len(), count, "{name}");
        }
    }

    /// The exit code and standard error of `eval`, and the errors that it counted.
    fn evaluated(folder: &Path, arguments: &[&str]) -> (i32, String, Option<u64>) {
        let output = pathscope()
            .current_dir(folder)
            .arg("eval")
            .args(arguments)
            .args(["--verbose", "--format", "json"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answer: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let errors = answer.and_then(|answer| answer["models"][0]["errors"].as_u64());
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), error, errors)
    }

    /// Both sides of the oracles are normalised by mean and deviation .5.
    fn without_errors(folder: &Path, file: &str, oracle: &str, more: &[&str]) -> String {
        let mut arguments = vec![file, "--data", oracle, "--normalize", "half"];
        arguments.extend(more);
        let (code, notes, errors) = evaluated(folder, &arguments);
        assert_eq!((code, errors), (0, Some(0)), "{file}: {notes}");
        notes
    }

    fn refused(folder: &Path, file: &str, oracle: &str, reason: &str) {
        let arguments = [file, "--data", oracle, "--normalize", "half"];
        let (code, error, _) = evaluated(folder, &arguments);
        assert_eq!(code, 2, "{file}: {error}");
        assert!(error.contains(reason), "{file}: {error}");
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn the_audit_finds_out_whether_a_pool_follows_the_stem() {
        let folder = made("01");
        without_errors(folder.path(), "pool.pt", "oracle.npz", &[]);
        without_errors(folder.path(), "nopool.pt", "oracle-nopool.npz", &[]);
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn a_normaliser_inside_the_model_is_its_normalisation() {
        let folder = made("02");
        let (code, notes, errors) =
            evaluated(folder.path(), &["inside.pt", "--data", "oracle.npz"]);
        assert_eq!((code, errors), (0, Some(0)), "{notes}");
        assert!(notes.contains("normalises its inputs itself"), "{notes}");
        assert!(!notes.contains("assuming"), "{notes}");
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn wrappers_are_removed_wherever_they_stand() {
        let folder = made("03");
        for file in [
            "compiled.pt",
            "ddp.pt",
            "part.pt",
            "ckpt.pt",
            "fabric.pt",
            "fsdp.pt",
        ] {
            let notes = without_errors(folder.path(), file, "oracle.npz", &[]);
            assert!(notes.contains("removed from"), "{file}: {notes}");
            assert!(!notes.contains("assuming"), "{file}: {notes}");
        }
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn a_network_is_found_among_losses_and_metrics() {
        let folder = made("04");
        let notes = without_errors(folder.path(), "last.ckpt", "oracle.npz", &[]);
        assert!(
            notes.contains("2 tensor(s) not used: criterion.weight, val_acc.correct"),
            "{notes}"
        );
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn one_of_two_sets_of_weights_can_be_chosen() {
        let folder = made("07");
        let folder = folder.path();
        without_errors(folder, "timm.pth.tar", "oracle-raw.npz", &[]);
        without_errors(
            folder,
            "timm.pth.tar",
            "oracle-ema.npz",
            &["--weights", "state_dict_ema"],
        );
        without_errors(folder, "tv.pth", "oracle-raw.npz", &[]);
        without_errors(
            folder,
            "tv.pth",
            "oracle-ema.npz",
            &["--weights", "model_ema"],
        );
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn whole_models_of_unknown_classes_open() {
        let folder = made("09");
        for file in ["whole.pt", "whole-dp.pt", "bearpaw-style.t7"] {
            without_errors(folder.path(), file, "oracle.npz", &[]);
        }
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn tensors_in_odd_containers_open_or_are_refused() {
        let folder = made("10");
        let folder = folder.path();
        for file in ["params.pt", "protocol5.pt"] {
            without_errors(folder, file, "oracle.npz", &[]);
        }
        // Its first mean was replaced by zeros, so only that it opens is of interest.
        let arguments = ["expanded.pt", "--data", "oracle.npz", "--normalize", "half"];
        let (code, error, _) = evaluated(folder, &arguments);
        assert_eq!(code, 0, "{error}");
        refused(folder, "bomb.pt", "oracle.npz", "claim more memory");
        let lists = "params (a list of 74), names (a list of 74)";
        refused(folder, "list.pt", "oracle.npz", lists);
        let integers = "a dictionary of 74 whose keys are integers";
        refused(folder, "ints.pt", "oracle.npz", integers);
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn of_two_equal_encoders_one_is_taken() {
        let folder = made("11");
        let inspect = |more: &[&str]| {
            let mut command = pathscope();
            command
                .current_dir(folder.path())
                .args(["inspect", "moco.pth.tar"]);
            command.args(more).output().unwrap()
        };
        // Both have the same backbone; only what follows it differs, and that is no classifier.
        let output = inspect(&[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{error}");
        assert!(error.contains("the one below `encoder_q.`"), "{error}");
        assert!(error.contains("not used: encoder_k."), "{error}");
        let output = inspect(&["--prefix", "module.encoder_q."]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn infinite_and_undefined_weights_are_named() {
        let folder = made("27");
        let folder = folder.path();
        without_errors(folder, "bf16.pt", "oracle-ok.npz", &[]);
        without_errors(folder, "f64.pt", "oracle-ok.npz", &[]);
        let arguments = ["nan.pt", "--data", "oracle-ok.npz", "--normalize", "half"];
        let (code, error, _) = evaluated(folder, &arguments);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains("layer3.0.conv2.weight"), "{error}");
        // An infinite variance makes zeros, as in PyTorch; it is named all the same.
        let notes = without_errors(folder, "half.pt", "oracle.npz", &[]);
        assert!(notes.contains("layer2.0.bn1.running_var"), "{notes}");
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn denormal_weights_give_the_same_predictions() {
        let folder = made("28");
        let arguments = ["denormal.pt", "--data", "oracle.npz", "--normalize", "half"];
        let (code, notes, errors) = evaluated(folder.path(), &arguments);
        assert_eq!((code, errors), (0, Some(0)), "{notes}");
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn graphs_in_training_mode_are_refused_unless_only_weights_are_normalised() {
        let folder = made("34");
        let part = "in training mode; export after .eval()";
        assert_inspect_refuses(folder.path(), "train.pt2", part);
        without_errors(folder.path(), "stdconv.pt2", "oracle.npz", &[]);
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn programs_are_known_by_their_content() {
        let folder = made("35");
        for (file, kind) in [("aoti.pt2", "AOTInductor"), ("net.pte", "ExecuTorch")] {
            assert_inspect_refuses(folder.path(), file, kind);
        }
        assert_eq!(blocks(folder.path(), "script.pt2").len(), 4);
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn archives_of_other_versions_say_which_and_compressed_ones_open() {
        let folder = made("36");
        let folder = folder.path();
        assert_inspect_refuses(folder, "schema7.pt2", "7, which PyTorch before 2.7 writes");
        assert_inspect_refuses(folder, "schema9.pt2", "9, newer than version 8");
        assert_eq!(blocks(folder, "deflated.pt2"), blocks(folder, "now.pt2"));
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn a_constant_factor_belongs_to_the_function() {
        let folder = made("44");
        without_errors(folder.path(), "scaled.pt2", "oracle.npz", &[]);
        assert_eq!(blocks(folder.path(), "scaled.pt2").len(), 6);
    }

    /// The errors of the only lesion in the answer of a command.
    fn errors_of_lesion(folder: &Path, words: &str) -> u64 {
        let file = folder.join("lesion.jsonl");
        let results = format!("{words} --normalize half --force --results lesion.jsonl");
        output(folder, &results);
        let lesion = crate::common::records(&file).into_iter();
        let mut lesion = lesion.filter(|record| record["change"]["change"] == "lesion");
        let errors = lesion.next().unwrap()["errors"].as_u64().unwrap();
        assert!(lesion.next().is_none());
        errors
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn recalibrated_statistics_are_those_of_pytorch_for_every_batch_size() {
        let (folder, printed) = made_and_printed("45");
        let (_, expected) = printed.trim().rsplit_once(' ').unwrap();
        let expected: u64 = expected.parse().unwrap();
        for more in ["--batch 256", "--batch 32", "--batch 32 --threads 1"] {
            let words = format!(
                "lesion net.pt --data oracle.npz --drop-block layer2.0 --bn recalibrate {more}"
            );
            assert_eq!(errors_of_lesion(folder.path(), &words), expected, "{more}");
        }
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn a_deleted_block_is_the_one_that_was_named() {
        let folder = made("46");
        let oracle = "oracle-without-layer3.1.npz";
        let words = format!("lesion net.pt --data {oracle} --drop-block layer3.1");
        assert_eq!(errors_of_lesion(folder.path(), &words), 0);
        assert_eq!(blocks(folder.path(), "net.pt")[5], "layer3.1");
        without_errors(folder.path(), "cut.pt", oracle, &[]);
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn the_gradients_of_all_lengths_add_up_to_that_of_pytorch() {
        let (folder, printed) = made_and_printed("51");
        let (_, expected) = printed.trim().rsplit_once(' ').unwrap();
        let expected: f64 = expected.parse().unwrap();
        output(
            folder.path(),
            "gradient-spectrum net.pt --data oracle.npz --normalize half --batches 1 \
             --examples 32 --results spectrum.jsonl",
        );
        let records = crate::common::records(&folder.path().join("spectrum.jsonl"));
        let spectrum = records.iter().find(|record| record["type"] == "spectrum");
        let spectrum = spectrum.unwrap();
        assert!(spectrum["sum_check"].as_f64().unwrap() < 1e-5, "{spectrum}");
        // Norms for each of 32 examples; PyTorch's loss is the mean over them.
        let norms = spectrum["gradient"].as_array().unwrap().iter();
        let squares: f64 = norms.map(|norm| norm.as_f64().unwrap().powi(2)).sum();
        let found = squares.sqrt() / 32.0;
        assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn normalisations_without_statistics_are_asked_for() {
        let folder = made("30");
        let folder = folder.path();
        without_errors(folder, "eps.pt", "oracle-eps.npz", &[]);
        for (name, groups) in [
            ("gn32", "32"),
            ("gn16", "16"),
            ("ln", "1"),
            ("in", "channels"),
        ] {
            let (file, oracle) = (format!("{name}.pt"), format!("oracle-{name}.npz"));
            refused(folder, &file, &oracle, "no running statistics");
            let assumed = format!("groups={groups}");
            without_errors(folder, &file, &oracle, &["--assume", &assumed]);
        }
        refused(
            folder,
            "nostats.pt",
            "oracle-nostats.npz",
            "statistics of each batch",
        );
    }

    /// Runs Python code on what `../shared/cases/common.py` offers, in a new folder.
    fn made_by(code: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        let output = Command::new(python)
            .args(["-c", code])
            .env("PYTHONPATH", shared("cases"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        folder
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn whole_models_state_what_their_tensors_do_not() {
        let folder = made_by(
            "from common import *\n\
             import functools\n\
             x = pixels(); BN, GN = torch.nn.BatchNorm2d, torch.nn.GroupNorm\n\
             for name, norm in {'eps': functools.partial(BN, eps=1e-1), 'gn': functools.partial(GN, 16), 'in': functools.partial(torch.nn.InstanceNorm2d, affine=True)}.items():\n    \
                 net = settle(small(norm_layer=norm), x); net.maxpool = torch.nn.MaxPool2d(3, 2, 1); settle(net, x)\n    \
                 net.layer2[0].conv1.stride = (1, 1); net.layer2[0].conv2.stride = (2, 2)\n    \
                 oracle(net, x, name + '.npz'); torch.save(net, name + '.pt')\n\
             net = small(); net.relu = torch.nn.SiLU(); oracle(net, x, 'silu.npz'); torch.save(net, 'silu.pt')\n",
        );
        for name in ["eps", "gn", "in"] {
            let (file, oracle) = (format!("{name}.pt"), format!("{name}.npz"));
            let notes = without_errors(folder.path(), &file, &oracle, &[]);
            assert!(!notes.contains("decided by it"), "{name}: {notes}");
        }
        refused(
            folder.path(),
            "silu.pt",
            "silu.npz",
            "`relu`: SiLU is no ReLU",
        );
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn weight_and_spectral_normalisation_are_computed() {
        let folder = made_by(
            "from common import *\n\
             import torch.nn.utils as u, warnings; warnings.simplefilter('ignore')\n\
             x = pixels()\n\
             for name, wrap in {'wn': u.weight_norm, 'pwn': u.parametrizations.weight_norm, 'sn': u.spectral_norm, 'psn': u.parametrizations.spectral_norm}.items():\n    \
                 net = small()\n    \
                 [wrap(m) for m in list(net.modules()) if isinstance(m, torch.nn.Conv2d)]\n    \
                 settle(net, x); oracle(net, x, name + '.npz'); torch.save(net.state_dict(), name + '.pt')\n",
        );
        for name in ["wn", "pwn", "sn", "psn"] {
            let (file, oracle) = (format!("{name}.pt"), format!("{name}.npz"));
            without_errors(folder.path(), &file, &oracle, &[]);
        }
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn different_networks_in_one_file_are_named_and_one_can_be_chosen() {
        let folder = made_by(
            "from common import *\n\
             x = pixels(); a = settle(small(), x); oracle(a, x, 'a.npz')\n\
             b = small(); torch.nn.init.normal_(b.fc.weight); settle(b, x); oracle(b, x, 'b.npz')\n\
             torch.save({n + k: v for n, m in (('teacher.', a), ('student.', b)) for k, v in m.state_dict().items()}, 'two.pt')\n",
        );
        refused(folder.path(), "two.pt", "a.npz", "teacher., student.");
        without_errors(folder.path(), "two.pt", "a.npz", &["--prefix", "teacher."]);
        without_errors(folder.path(), "two.pt", "b.npz", &["--prefix", "student"]);
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn other_checkpoints_open_without_errors() {
        for (number, oracle, files) in [
            ("08", "oracle.npz", &["best.pth"][..]),
            (
                "26",
                "oracle.npz",
                &["nhwc.pt", "offsets.pt", "transposed.pt"],
            ),
            ("29", "oracle.npz", &["uneven.pt"]),
            ("29", "oracle-gap.npz", &["block-removed.pt"]),
            (
                "40",
                "oracle.npz",
                &["extra.safetensors", "tied.safetensors", "mixed.safetensors"],
            ),
            ("43", "oracle.npz", &["legacy.th", "python2.th"]),
            ("52", "oracle.npz", &["deflated.pt", "zip64.pt", "extra.pt"]),
        ] {
            let folder = made(number);
            for file in files {
                without_errors(folder.path(), file, oracle, &[]);
            }
        }
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn a_tied_tensor_is_found_whichever_of_its_names_was_kept() {
        let folder = made_by(
            "from common import *\n\
             from safetensors.torch import save_model\n\
             x = pixels(); net = settle(small(), x); oracle(net, x)\n\
             net.a = net.fc; save_model(net, 'tied.safetensors')\n",
        );
        without_errors(folder.path(), "tied.safetensors", "oracle.npz", &[]);
    }

    #[test]
    #[ignore = "needs ../shared and a Python with torch, torchvision and timm"]
    fn tensors_without_a_reading_are_refused_by_name() {
        let folder = made("37");
        for (file, part) in [
            (
                "qint8.pt",
                "`layer1.0.conv1.weight` cannot be read: it is quantised",
            ),
            ("packed.pt", "`fc.zero_point`: the network is quantised"),
            ("sparse.pt", "`sparse` cannot be read: it is sparse"),
        ] {
            assert_inspect_refuses(folder.path(), file, part);
        }
        let folder = made("41");
        for (file, kind) in [
            ("fp8.pt", "torch.float8_e4m3fn"),
            ("fp8.safetensors", "F8_E4M3"),
        ] {
            let part = format!("`fc.weight` cannot be read: its numbers are `{kind}`");
            assert_inspect_refuses(folder.path(), file, &part);
        }
    }
}
