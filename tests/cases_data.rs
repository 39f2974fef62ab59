//! Cases from practice on the side of the data: the scripts of `../shared/cases` make files and
//! images labelled by what PyTorch predicts.

mod common;

/// Tests that need `../shared/cases` and a Python with torch, torchvision, timm and transformers.
mod needs_cases {
    use crate::common::{pathscope, shared};
    use serde_json::Value;
    use std::process::Command;
    use tempfile::TempDir;

    /// A folder with what the script of a case made in it.
    fn case(script: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let scripts = shared("cases");
        python(folder.path(), &[&format!("{scripts}/{script}.py")]);
        folder
    }

    fn python(folder: &std::path::Path, arguments: &[&str]) {
        let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        let done = Command::new(python)
            .current_dir(folder)
            .env("PYTHONPATH", shared("cases"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// What `eval` measures, and its notes.
    fn eval(folder: &TempDir, words: &str) -> (Value, String) {
        let done = pathscope()
            .current_dir(folder.path())
            .args(["eval", "--verbose", "--format", "json"])
            .args(words.split(' '))
            .assert()
            .success();
        let output = done.get_output();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let notes = String::from_utf8(output.stderr.clone()).unwrap();
        (found["models"][0].clone(), notes)
    }

    #[track_caller]
    fn assert_errors(folder: &TempDir, words: &str, errors: u64, examples: u64) -> String {
        let (found, notes) = eval(folder, words);
        assert_eq!(
            (&found["errors"], &found["examples"]),
            (&errors.into(), &examples.into())
        );
        notes
    }

    #[track_caller]
    fn assert_refused(folder: &TempDir, words: &str, part: &str) {
        let done = pathscope()
            .current_dir(folder.path())
            .arg("eval")
            .args(words.split(' '))
            .assert()
            .code(2);
        let message = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(message.contains(part), "{message}");
        let line = message.lines().find(|line| line.starts_with("error:"));
        assert!(line.unwrap().chars().count() <= 500, "{message}");
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn a_hugging_face_folder_opens_with_the_preparation_that_it_states() {
        let folder = case("05-a-folder-from-save-pretrained-config-json-mo");
        assert_errors(&folder, "hf --data oracle.npz --normalize half", 0, 48);
        assert_errors(
            &folder,
            "hf/model.safetensors --data oracle.npz --normalize half",
            0,
            48,
        );
        let stated = r#"{"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875,
            "size": {"shortest_edge": 64}, "resample": 3,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#;
        std::fs::write(folder.path().join("hf/preprocessor_config.json"), stated).unwrap();
        let notes = assert_errors(&folder, "hf --data oracle.npz", 0, 48);
        assert!(!notes.contains("states no normalisation"), "{notes}");
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn timm_folders_open_or_give_the_lines_that_export_them() {
        let folder = tempfile::tempdir().unwrap();
        let script = "
from common import *
from timm.models import _hub
for name in ('resnet18', 'resnet10t', 'vit_tiny_patch16_224', 'resnetblur50'):
    torch.manual_seed(0); net = timm.create_model(name, num_classes=10); x = pixels(16, 64)
    if name.startswith('resnet1'):
        settle(net, x); oracle(net, x, f'{name}.npz', mean=(.485, .456, .406), std=(.229, .224, .225))
    _hub.save_for_hf(net, name)
";
        python(folder.path(), &["-c", script]);
        for name in ["resnet18", "resnet10t"] {
            assert_errors(&folder, &format!("{name} --data {name}.npz"), 0, 16);
        }
        for name in ["vit_tiny_patch16_224", "resnetblur50"] {
            let done = pathscope()
                .current_dir(folder.path())
                .args(["inspect", name])
                .assert()
                .code(2);
            let message = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
            let (_, lines) = message.split_once("\n\n").unwrap();
            assert!(
                lines.contains(&format!("\"local-dir:{name}\"")),
                "{message}"
            );
            python(folder.path(), &["-c", lines]);
            assert!(folder.path().join(format!("{name}.pt2")).exists());
        }
        pathscope()
            .current_dir(folder.path())
            .args(["inspect", "vit_tiny_patch16_224.pt2"])
            .assert()
            .success();
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn the_model_decides_the_channels_never_the_limit() {
        let folder = case("14-grey-images-for-a-three-channel-net-and-colo");
        for (data, limit, examples) in [
            ("all-grey", "", 24),
            ("mixed", "", 24),
            ("mixed", " --limit 2", 2),
        ] {
            let words = format!("rgb.pt --normalize half --data {data}{limit}");
            assert_errors(&folder, &words, 0, examples);
        }
        assert_refused(
            &folder,
            "grey-net.pt --data mixed",
            "convert all images to grey",
        );
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn validation_images_in_one_folder_take_their_classes_from_the_list() {
        let folder = case("15-imagenet-validation-as-50-000-files-in-one-f");
        let (tiny, _) = eval(&folder, "net.pt --data tiny --normalize half");
        let (val, _) = eval(&folder, "net.pt --data tiny/val --normalize half");
        assert_eq!(tiny["examples"], 9);
        assert_eq!(tiny["data_hash"], val["data_hash"]);
        let list = folder.path().join("tiny/val/val_annotations.txt");
        let rows = std::fs::read_to_string(&list).unwrap();
        std::fs::remove_file(list).unwrap();
        assert_refused(&folder, "net.pt --data tiny", "val_annotations.txt");
        assert_refused(&folder, "net.pt --data tiny/val/images", "no class folder");
        let mut solution = "ImageId,PredictionString\n".to_owned();
        for row in rows.lines() {
            let fields: Vec<&str> = row.split('\t').collect();
            let image = fields[0].trim_end_matches(".JPEG");
            solution += &format!("{image},{} 1 2 3 4\n", fields[1]);
        }
        std::fs::write(folder.path().join("tiny/LOC_val_solution.csv"), solution).unwrap();
        let (listed, _) = eval(&folder, "net.pt --data tiny --normalize half");
        assert_eq!(listed["data_hash"], tiny["data_hash"]);
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn numbered_classes_are_in_the_order_of_numbers_unless_asked_otherwise() {
        let folder = case("16-class-folders-named-by-numbers-0-1-10-11-2");
        let words = "net.pt --data numbered --normalize half";
        let notes = assert_errors(&folder, words, 0, 96);
        assert!(notes.contains("--class-order"), "{notes}");
        assert_errors(&folder, &format!("{words} --class-order name"), 83, 96);
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn ten_classes_of_imagenet_are_found_by_their_wordnet_names() {
        let folder = case("17-a-data-set-with-fewer-classes-than-the-model");
        let (found, _) = eval(&folder, "resnet18.pt --data imagenette");
        // PyTorch: 20 of 20 wrong among 1000, 18 among these ten.
        assert_eq!(
            (&found["errors"], &found["errors_among_classes_held"]),
            (&20.into(), &18.into())
        );
        let held = serde_json::json!([0, 217, 482, 491, 497, 566, 569, 571, 574, 701]);
        assert_eq!(found["classes_held"], held);
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn the_evaluation_crop_is_torchvision_s() {
        let folder = case("18-the-evaluation-crop-256-224-232-224-v2-weigh");
        assert_errors(
            &folder,
            "resnet18.pt --data crop --normalize imagenet",
            0,
            20,
        );
        let stated = "--resize 256 --crop 224 --interpolation bilinear";
        let words = format!("resnet18.pt --data crop --normalize imagenet {stated}");
        assert_errors(&folder, &words, 0, 20);
        assert_refused(&folder, "resnet18.pt --data crop --resize 200", "--resize");
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn empty_class_folders_keep_their_labels() {
        let folder = case("19-empty-class-folders-ipynb-checkpoints-ds-sto");
        let notes = assert_errors(&folder, "net.pt --data gaps --normalize half", 0, 34);
        assert!(
            notes.contains("1 class folder(s) without images"),
            "{notes}"
        );
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn broken_images_are_all_named_or_skipped_and_counted() {
        let folder = case("21-a-truncated-jpeg-an-empty-file-an-html-page");
        for part in [
            "a/0.jpg: the image is cut off",
            "2 more image file(s)",
            "--skip-broken",
        ] {
            assert_refused(&folder, "net.pt --data bad", part);
        }
        let (found, notes) = eval(&folder, "net.pt --data bad --skip-broken");
        assert_eq!(found["examples"], 5);
        assert!(notes.contains("3 image file(s)"), "{notes}");
        assert!(
            found["data"].as_str().unwrap().contains("without 3 broken"),
            "{found}"
        );
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn cmyk_and_ycck_are_pillow_s_colours() {
        let folder = case("22-cmyk-and-ycck-jpegs-319-of-them-in-imagenet");
        for kind in ["rgb", "cmyk", "ycck"] {
            assert_errors(
                &folder,
                &format!("{kind}.pt --data {kind} --normalize half"),
                0,
                24,
            );
        }
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn images_that_have_no_reading_as_bytes_are_refused() {
        let folder = case("23-16-bit-palette-rgba-1-bit-greyscale-alpha-pn");
        let refusal = "png/test/a/i16.png: grey of 16 bits, which Pillow and torchvision clip";
        assert_refused(&folder, "net.pt --data png", refusal);
        let (found, notes) = eval(&folder, "net.pt --data png --skip-broken");
        assert_eq!(found["examples"], 4);
        assert!(notes.contains("test/a/i16.png"), "{notes}");
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn an_orientation_that_is_not_applied_is_said() {
        let folder = case("24-exif-orientation");
        let (found, notes) = eval(&folder, "net.pt --data exif");
        assert_eq!(found["examples"], 2);
        let note = "1 image file(s) note an orientation that is not applied, as in torchvision's \
                    ImageFolder: test/a/turned.jpg";
        assert!(notes.contains(note), "{notes}");
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn arrays_of_any_order_and_labels_of_any_form_are_read_or_refused() {
        let folder = case("42-paths-and-names-with-umlauts-other-scripts-b");
        let model = folder.path().join("Modèl ß 网络.pt");
        let done = pathscope()
            .current_dir(folder.path())
            .args(["eval", "--format", "json", "--data", "daten ä"])
            .arg(model)
            .assert()
            .success();
        let found: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        assert_eq!(found["models"][0]["examples"], 12);

        let folder = tempfile::tempdir().unwrap();
        let script = std::fs::read_to_string(format!(
            "{}/48-npz-variants-float-images-n-1-or-one-hot-lab.py",
            shared("cases")
        ));
        // Its last line needs one more package.
        let script = script.unwrap().replace("import ml_dtypes;", "#");
        let more = "
float = ((x / 255 - .5) / .5)
np.savez('normalized.npz', x_test=float.astype('>f8'), y_test=y)
np.savez('normalized-fortran.npz', x_test=np.asfortranarray(float, np.float32), y_test=np.eye(10)[y])
np.savez('bf16.npz', x_test=np.zeros((3, 4, 4, 3), 'V2'), y_test=y[:3])";
        python(folder.path(), &["-c", &(script + more)]);
        for name in [
            "column",
            "onehot",
            "fortran",
            "zipped",
            "normalized",
            "normalized-fortran",
        ] {
            let words = format!("net.pt --normalize half --data {name}.npz");
            assert_errors(&folder, &words, 0, 48);
        }
        for (name, part) in [
            ("float", "(255 * images).round().astype(numpy.uint8)"),
            ("object", "pickled Python objects"),
            ("bf16", "type `|V2`"),
        ] {
            assert_refused(&folder, &format!("net.pt --data {name}.npz"), part);
        }
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn a_single_output_for_two_classes_is_refused() {
        let folder = case("33-one-logit-for-two-classes");
        assert_refused(&folder, "binary.pt --data oracle.npz", "a single output");
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn images_of_odd_sizes_are_evaluated_as_they_are() {
        let folder = case("49-odd-sizes-28-28-33-33-96-96-for-nets-that-ex");
        for side in [28, 33, 45] {
            let words = format!("net-{side}.pt --data oracle-{side}.npz --normalize half");
            assert_errors(&folder, &words, 0, 48);
        }
        assert_errors(
            &folder,
            "resnet26d.pt --data oracle-d.npz --normalize half",
            0,
            24,
        );
    }

    #[test]
    #[ignore = "needs ../shared/cases and a Python with torch"]
    fn what_is_written_loads_in_the_original_classes_and_in_the_module_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let script = "
from common import *
x = pixels(16, 64); net = settle(torchvision.models.resnet18(num_classes=10), x); oracle(net, x)
torch.save(net.state_dict(), 'tv.pt')
torch.save(timm.create_model('resnetv2_18', num_classes=10).state_dict(), 'timm.pt')
from transformers import ResNetConfig, ResNetForImageClassification as R
config = ResNetConfig(depths=[1, 1, 1, 1], layer_type='basic', num_labels=10)
R(config).save_pretrained('hf')";
        python(folder.path(), &["-c", script]);
        let run = |words: &str| {
            let words = words.split(' ');
            pathscope()
                .current_dir(folder.path())
                .args(words)
                .assert()
                .success();
        };
        run("convert tv.pt tv-out.pt");
        run("convert timm.pt timm-out.pt");
        run("convert hf hf-out.pt");
        run(
            "lesion tv.pt --normalize half --data oracle.npz --drop-block layer2.1 --export small.safetensors",
        );
        let (found, _) = eval(&folder, "small.safetensors --data oracle.npz");
        let script = "
from common import *
from transformers import ResNetConfig, ResNetForImageClassification as R
config = ResNetConfig(depths=[1, 1, 1, 1], layer_type='basic', num_labels=10)
held = lambda file: torch.load(file, weights_only=True)
torchvision.models.resnet18(num_classes=10).load_state_dict(held('tv-out.pt'))
timm.create_model('resnetv2_18', num_classes=10).load_state_dict(held('timm-out.pt'))
R(config).load_state_dict(held('hf-out.pt'))
import sys; sys.path.insert(0, '.')
from pathscope_network import load
network, data = load('small.safetensors'), np.load('oracle.npz')
x = network.normalized(torch.from_numpy(data['x_test']).permute(0, 3, 1, 2).float())
errors = (network(x).argmax(1).numpy() != data['y_test']).sum()
assert errors == int(sys.argv[1]), errors";
        python(folder.path(), &["-c", script, &found["errors"].to_string()]);
    }
}
