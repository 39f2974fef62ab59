//! The trained CIFAR-10 networks that other people published, in the legacy format.

mod common;

use std::{fs, path::PathBuf};

use pathscope::format::{LoadNote, open};
use sha2::{Digest, Sha256};
use tch::Kind;

fn model(name: &str) -> PathBuf {
    common::shared(&format!("models/{name}")).into()
}

fn sum(tensor: &tch::Tensor) -> f64 {
    tensor
        .to_kind(Kind::Double)
        .sum(Kind::Double)
        .double_value(&[])
}

mod needs_shared {
    use super::*;

    #[test]
    #[ignore = "needs ../shared"]
    fn published_checkpoints_read_whole() {
        // (file, tensors, numbers): `len(s), sum(v.numel() for v in s.values())` for
        // `s = torch.load(file, weights_only=True)["state_dict"]` with torch 2.11.0.
        for (name, tensors, numbers) in PUBLISHED {
            let file = model(name);
            let held = open(&file).unwrap();
            assert_eq!(held.len(), tensors, "{name}");
            let numel: usize = held.tensors().map(|(_, tensor)| tensor.numel()).sum();
            assert_eq!(numel, numbers, "{name}");
            assert_eq!(held.names().next(), Some("conv1.weight"));
            assert_eq!(held.names().last(), Some("linear.bias"));
            assert!(
                held.notes()
                    .contains(&LoadNote::Entered("state_dict".to_owned()))
            );
            assert!(held.notes().contains(&LoadNote::PartStripped {
                part: "module",
                tensors
            }));
            assert!(held.metadata().contains_key("best_prec1"));
        }
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn file_names_carry_the_start_of_their_hash() {
        for (name, _, _) in PUBLISHED {
            let file = model(name);
            let digest = Sha256::digest(fs::read(&file).unwrap());
            let hex: String = digest
                .iter()
                .take(4)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert!(name.contains(&hex), "{name} has the hash {hex}");
        }
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn values_are_those_that_pytorch_reads() {
        let file = model("resnet20-12fca82f.th");
        let held = open(&file).unwrap();
        // `s["module.conv1.weight"].flatten()[:3].tolist()` and `.double().sum().item()`.
        let stem = held.get("conv1.weight").unwrap();
        assert_eq!(stem.size(), [16, 3, 3, 3]);
        let first = Vec::<f32>::try_from(stem.flatten(0, -1).narrow(0, 0, 3)).unwrap();
        assert_eq!(first, [-0.138_181_46, -0.162_417_68, 0.820_738_3]);
        assert!((sum(stem) - 1.310_098_200_003_267_3).abs() < 1e-12);
        let head = held.get("linear.weight").unwrap();
        assert_eq!(head.size(), [10, 64]);
        assert!((sum(head) + 0.045_627_388_637_512_92).abs() < 1e-12);
    }
}

/// File, how many tensors, how many numbers in all of them.
const PUBLISHED: [(&str, usize, usize); 3] = [
    ("resnet20-12fca82f.th", 97, 271_098),
    ("resnet32-d509ac18.th", 157, 466_426),
    ("resnet56-4bfd9763.th", 277, 857_082),
];
