//! The statistics audit: right readings agree, planted faults are found, and what names do not say
//! is decided.

mod common;

mod needs_shared {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::common::{pathscope, shared, succeed};
    use pathscope::data::Normalization;
    use pathscope::format::{
        FloatStorage, Model, ModelCard, load_model, open, save_model, save_pytorch,
    };
    use pathscope::network::{Layer, Operation, Specification, TrainableNetwork};

    const DATA: &str = "data/cifar10/cifar-10-batches-bin";

    /// Errors among the 1,017 lossless test images, counted by `eval`.
    fn errors(file: &str) -> u64 {
        let arguments = ["eval", file, "--data", &shared(DATA), "--format", "csv"];
        let text = succeed(Path::new("."), &arguments);
        let (heads, values) = text.trim().split_once('\n').unwrap();
        let place = heads.split(',').position(|head| head == "errors").unwrap();
        values.split(',').nth(place).unwrap().parse().unwrap()
    }

    /// Whether the audit accepts a network as it is, and what it says.
    fn accepted(file: &Path) -> (bool, String) {
        let mut command = pathscope();
        command
            .arg("inspect")
            .arg(file)
            .args(["--audit", "--strict", "--data"]);
        let output = command.arg(shared(DATA)).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), error)
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn networks_under_unknown_names_open_by_their_structure() {
        // Counted by independent PyTorch code: see ../shared/README.md.
        for (name, expected) in [
            ("ehanw-resnet20.pth", 101),
            ("ehanw-resnet20-pgd.pth", 151),
            ("gasoonjia-resnet110-depthwise.pth", 163),
        ] {
            let found = errors(&shared(&format!("models/real/{name}")));
            assert!(found.abs_diff(expected) <= 1, "{name}: {found}");
        }
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_network_whose_every_word_is_renamed_is_the_same_network() {
        let held = open(shared("models/resnet56-4bfd9763.th").as_ref()).unwrap();
        let mut words: BTreeMap<String, String> = BTreeMap::new();
        let mut renamed = Vec::new();
        for (name, tensor) in held.tensors() {
            let mut word = |word: &str| {
                let number = words.len() * 7919 % 1009;
                words
                    .entry(word.to_owned())
                    .or_insert(format!("w{number}"))
                    .clone()
            };
            let name: Vec<String> = name.split('.').map(&mut word).collect();
            renamed.push((name.join("."), tensor.shallow_clone()));
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("renamed.pt");
        save_pytorch(&file, &renamed).unwrap();
        assert_eq!(errors(file.to_str().unwrap()), 74);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn real_networks_raise_no_alarm() {
        let files = |folder: &str| {
            let entries = std::fs::read_dir(shared(&format!("models{folder}"))).unwrap();
            entries.map(|entry| entry.unwrap().path())
        };
        let all = files("")
            .chain(files("/real"))
            .chain(files("/cifar10-family"));
        let names = ["th", "pth", "safetensors"];
        let is_network = |file: &PathBuf| {
            names
                .iter()
                .any(|name| file.extension() == Some(name.as_ref()))
        };
        let networks: Vec<PathBuf> = all.filter(is_network).collect();
        assert_eq!(networks.len(), 20);
        for file in networks {
            let (accepted, text) = accepted(&file);
            assert!(accepted, "{}: {text}", file.display());
        }
    }

    fn normalization(mean: [f32; 3], deviation: [f32; 3]) -> Normalization {
        Normalization::new(mean.to_vec(), deviation.to_vec()).unwrap()
    }

    type Fault = (&'static str, fn(&mut ModelCard));

    fn without_relu(layers: &mut Vec<Layer>) {
        layers.retain(|layer| layer.operation != Operation::Relu);
    }

    fn strides(specification: &mut Specification) -> impl Iterator<Item = (usize, &mut i64)> {
        let blocks = specification.blocks.iter_mut();
        let layers = blocks.flat_map(|block| block.functions[0].layers.iter_mut().enumerate());
        layers.filter_map(|(place, layer)| match &mut layer.operation {
            Operation::Convolution { stride, .. } => Some((place, stride)),
            _ => None,
        })
    }

    fn skips(card: &mut ModelCard, change: fn(i64, i64) -> Vec<Operation>) {
        for block in &mut card.specification.blocks {
            let skip = block.skip.as_mut().unwrap();
            if let [
                Layer {
                    operation:
                        Operation::PadShortcut {
                            stride,
                            before,
                            after,
                        },
                    ..
                },
            ] = skip.as_slice()
            {
                let layers = change(*stride, before + after).into_iter();
                *skip = layers.map(|operation| Layer::new("", operation)).collect();
            }
        }
    }

    /// Faults in what a network is or how it is fed, other than in its tensors.
    const FAULTS: [Fault; 20] = [
        ("half", |card| {
            card.normalization = Normalization::preset("half").unwrap()
        }),
        ("0 to 1", |card| {
            card.normalization = Normalization::preset("none").unwrap()
        }),
        ("cifar10", |card| {
            card.normalization = Normalization::preset("cifar10").unwrap()
        }),
        ("cifar100", |card| {
            card.normalization = Normalization::preset("cifar100").unwrap()
        }),
        ("within images", |card| {
            card.normalization = normalization([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.201]);
        }),
        ("0 to 255", |card| {
            card.normalization = normalization([0.0; 3], [1.0 / 255.0; 3]);
        }),
        ("mean of another preset", |card| {
            card.normalization = normalization([0.0; 3], [0.229, 0.224, 0.225]);
        }),
        ("pool", |card| {
            let pool = Operation::MaxPool {
                kernel: 3,
                stride: 2,
                padding: 1,
            };
            card.specification.stem.push(Layer::new("", pool));
        }),
        ("stride in the second convolution", |card| {
            let mut moved = false;
            for (place, stride) in strides(&mut card.specification) {
                match (place, *stride) {
                    (0, 2) => (*stride, moved) = (1, true),
                    (_, 1) if moved => (*stride, moved) = (2, false),
                    _ => {}
                }
            }
        }),
        ("zero channels behind", |card| {
            skips(card, |stride, missing| {
                vec![Operation::PadShortcut {
                    stride,
                    before: 0,
                    after: missing,
                }]
            });
        }),
        ("averaging shortcuts", |card| {
            skips(card, |stride, missing| {
                let half = missing / 2;
                vec![
                    Operation::AveragePool {
                        kernel: 2,
                        stride,
                        ceiling: true,
                    },
                    Operation::PadShortcut {
                        stride: 1,
                        before: half,
                        after: missing - half,
                    },
                ]
            });
        }),
        ("zero channels in front", |card| {
            skips(card, |stride, missing| {
                vec![Operation::PadShortcut {
                    stride,
                    before: missing,
                    after: 0,
                }]
            });
        }),
        ("no ReLU after additions", |card| {
            card.specification
                .blocks
                .iter_mut()
                .for_each(|block| without_relu(&mut block.post));
        }),
        ("no ReLU in the stem", |card| {
            without_relu(&mut card.specification.stem)
        }),
        ("no ReLU in functions", |card| {
            let blocks = card.specification.blocks.iter_mut();
            blocks.for_each(|block| without_relu(&mut block.functions[0].layers));
        }),
        ("first blocks swapped", |card| {
            card.specification.blocks.swap(0, 1)
        }),
        ("last blocks swapped", |card| {
            let last = card.specification.blocks.len() - 1;
            card.specification.blocks.swap(last - 1, last);
        }),
        ("a block left out", |card| {
            card.specification.blocks.remove(1);
        }),
        ("normalisation behind the ReLU", |card| {
            for block in &mut card.specification.blocks {
                // Convolution, normalisation, ReLU, ...
                block.functions[0].layers.swap(1, 2);
            }
        }),
        ("another epsilon", |card| {
            for block in &mut card.specification.blocks {
                for layer in &mut block.functions[0].layers {
                    if let Operation::BatchNorm { epsilon, .. } = &mut layer.operation {
                        *epsilon = 1.0;
                    }
                }
            }
        }),
    ];

    fn planted(file: &Path, model: &Model, fault: fn(&mut ModelCard)) {
        let mut card = model.card.clone();
        fault(&mut card);
        let held: BTreeMap<_, _> = model
            .network
            .named_parameters()
            .into_iter()
            .map(|(name, _, tensor)| (name, tensor.detach()))
            .collect();
        let find = |name: &str| held.get(name).map(tch::Tensor::shallow_clone);
        let network = TrainableNetwork::load(&card.specification, find).unwrap();
        save_model(file, &card, &network, FloatStorage::AsTheyAre).unwrap();
    }

    fn finds_faults(name: &str) {
        let imagenet = Normalization::preset("imagenet").unwrap();
        let model = load_model(shared(name).as_ref(), Some(imagenet)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("planted.safetensors");
        planted(&file, &model, |_| {});
        let (right, text) = accepted(&file);
        assert!(right, "{name}: {text}");
        let mut missed = Vec::new();
        for (what, fault) in FAULTS {
            planted(&file, &model, fault);
            let (accepted, text) = accepted(&file);
            if accepted {
                missed.push(format!("{what}: {text}"));
            }
        }
        assert!(missed.is_empty(), "{name}: {missed:#?}");
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn faults_planted_in_resnet_20_are_found() {
        finds_faults("models/resnet20-12fca82f.th");
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn faults_planted_in_resnet_56_are_found() {
        finds_faults("models/resnet56-4bfd9763.th");
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn channels_in_the_other_order_are_found() {
        for name in ["models/resnet20-12fca82f.th", "models/resnet56-4bfd9763.th"] {
            let held = open(shared(name).as_ref()).unwrap();
            let flipped = held.tensors().map(|(name, tensor)| match name {
                "conv1.weight" => (name.to_owned(), tensor.flip([1])),
                _ => (name.to_owned(), tensor.shallow_clone()),
            });
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("flipped.pt");
            save_pytorch(&file, &flipped.collect::<Vec<_>>()).unwrap();
            let (accepted, text) = accepted(&file);
            assert!(
                !accepted && text.contains("blue, green, red"),
                "{name}: {text}"
            );
        }
    }
}
