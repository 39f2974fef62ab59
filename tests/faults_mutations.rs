//! Two thousand damaged files for everything that is read. All are read by the libraries, which must
//! not panic; and some by the program, which must end with a result or with one line that names the
//! file, within ten seconds of computation and a gigabyte. `PATHSCOPE_FAULTS` sets how many of the
//! two thousand the program reads.

mod common;
mod damage;
#[allow(dead_code, reason = "each test file uses some of these")]
mod data;
mod limits;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{asset, shipped_model, succeed};
use damage::{Form, damaged};
use data::{cifar_record, gzip, idx_images, idx_labels, npy, png, zip_of};
use pathscope::data::{ReadRequest, Split};
use pathscope::format::load_model;
use pathscope::network::{Architecture, Family, FeatureShape, Unit};
use pathscope::report::difference::Difference;
use pathscope::report::plot::{SHARE, pictures_of};
use pathscope::report::{Run, Source, Theme, page};
use pathscope::training::{Checkpoint, Recipe};
use pathscope_analysis::Seed;
use pathscope_analysis::record::JournalWriter;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tempfile::{TempDir, tempdir};

const INPUTS: u64 = 2_000;
/// How many of them the program reads, unless told.
const BY_PROGRAM: u64 = 160;

/// A file to damage, where it stands, and the command lines that read it.
struct Sound {
    file: &'static str,
    bytes: Vec<u8>,
    form: Form,
    lines: Vec<String>,
}

impl Sound {
    fn new(file: &'static str, bytes: Vec<u8>, form: Form, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| line.replace("FILE", file));
        Self {
            file,
            bytes,
            form,
            lines: lines.collect(),
        }
    }
}

/// Reads a file as a library does; the message of a refusal.
type Read = fn(&Path) -> Result<(), String>;

/// Tries a share of all inputs on the files of one kind.
fn try_all(kind: &str, folder: &Path, sounds: &[Sound], share: f64, read: Read) {
    let by_program = std::env::var("PATHSCOPE_FAULTS").ok();
    let by_program = by_program.map_or(BY_PROGRAM, |number| number.parse().unwrap());
    let inputs = (INPUTS as f64 * share) as u64;
    let (mut refused, mut faults) = (0, Vec::new());
    let mut met = vec![0; sounds.len()];
    for input in 0..inputs {
        let mut random = Seed(24).stream(kind, input);
        let chosen = random.random_range(0..sounds.len());
        let other = &sounds[random.random_range(0..sounds.len())].bytes;
        let sound = &sounds[chosen];
        met[chosen] += 1;
        let bytes = damaged(&sound.bytes, sound.form, other, &mut random);
        let file = folder.join(sound.file);
        fs::write(&file, &bytes).unwrap();
        let name = Path::new(sound.file).file_name().unwrap().to_str().unwrap();
        let start = Instant::now();
        if let Err(message) = read(&file) {
            refused += 1;
            if let Some(wrong) = wrong_message(&message, name) {
                faults.push(format!(
                    "{kind} {input} ({}): {wrong}: {message}",
                    sound.file
                ));
            }
        }
        // Generous, for busy machines: the end of a hang.
        if start.elapsed() > Duration::from_secs(30) {
            faults.push(format!(
                "{kind} {input} ({}): {:?}",
                sound.file,
                start.elapsed()
            ));
        }
        if (input + 1) * by_program / INPUTS == input * by_program / INPUTS {
            continue;
        }
        let line = &sound.lines[random.random_range(0..sound.lines.len())];
        fs::write(&file, &bytes).unwrap();
        let ended = limits::run(folder, &line.split(' ').collect::<Vec<_>>());
        if let Err(wrong) = ended.refusal(name) {
            faults.push(format!("{kind} {input}: {wrong}"));
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(met.iter().all(|&times| times > 0), "{met:?}");
    // Damage that nobody notices would test nothing, and so would damage that nobody gets past.
    assert!(
        refused > inputs / 5 && refused < inputs,
        "{refused} of {inputs} refused"
    );
}

/// What is wrong with the message of a refusal.
fn wrong_message(message: &str, name: &str) -> Option<&'static str> {
    match message {
        _ if message.chars().any(char::is_control) => Some("a control character"),
        _ if message.chars().count() > 500 => Some("a long message"),
        _ if !message.contains(name) => Some("the file is not named"),
        _ => None,
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read(folder.join(name)).unwrap()
}

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

/// A folder with a network, results and a training to read damaged files beside.
fn workplace() -> TempDir {
    let folder = tempdir().unwrap();
    for (shipped, name) in [
        (shipped_model(), "model.safetensors"),
        (asset("fashion-mnist-2000"), "fashion-mnist-2000"),
    ] {
        std::os::unix::fs::symlink(shipped, folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn checkpoints() {
    let folder = workplace();
    let plain = ["inspect FILE", "convert FILE out.safetensors --force"];
    let mut sounds: Vec<Sound> = [
        ("plain.pt", Form::Zip),
        ("wrapped.pth", Form::Zip),
        ("wrapped_protocol_5.pt", Form::Zip),
        ("types.pt", Form::Zip),
        ("views.pt", Form::Zip),
        ("module.pt", Form::Zip),
        ("torchscript.pt", Form::Zip),
        ("torchscript_resnet8.pt", Form::Zip),
        ("types_legacy.pt", Form::Bytes),
        ("views_legacy.pt", Form::Bytes),
        ("legacy_protocol_4.pt", Form::Bytes),
    ]
    .into_iter()
    .map(|(file, form)| Sound::new(file, fixture(file), form, &plain))
    .collect();
    // Pathscope's own files, whose metadata describe the network.
    let small = Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 2, 1, 10).unwrap();
    let file = folder.path().join("small.safetensors");
    common::save_untrained(&file, &small);
    let own = [
        "inspect FILE",
        "eval FILE --data fashion-mnist-2000 --limit 4",
        "lesion FILE --data fashion-mnist-2000 --limit 4 --drop-block 1",
        "gradient-spectrum FILE --data fashion-mnist-2000 --batches 1 --examples 1 --draws 1",
    ];
    for file in ["card.safetensors", "own.safetensors", "network.safetensors"] {
        let bytes = fs::read(folder.path().join("small.safetensors")).unwrap();
        sounds.push(Sound::new(file, bytes, Form::Safetensors, &own));
    }
    let shipped = fs::read(shipped_model()).unwrap();
    sounds.push(Sound::new(
        "shipped.safetensors",
        shipped,
        Form::Safetensors,
        &own,
    ));
    try_all("checkpoints", folder.path(), &sounds, 0.3, |file| {
        load_model(file, None).map(drop).map_err(text)
    });
}

#[test]
fn exported_graphs() {
    let folder = workplace();
    let lines = ["inspect FILE", "convert FILE out.safetensors --force"];
    let sounds: Vec<Sound> = [
        "mixer.pt2",
        "gpt.pt2",
        "groups.pt2",
        "vit-dynamic.pt2",
        "torch-2.8.0-attention.pt2",
    ]
    .into_iter()
    .map(|file| {
        Sound::new(
            file,
            fixture(&format!("exported/{file}")),
            Form::Zip,
            &lines,
        )
    })
    .collect();
    try_all("exported", folder.path(), &sounds, 0.15, |file| {
        load_model(file, None).map(drop).map_err(text)
    });
}

/// The data set that a file belongs to: the file, or a folder of several.
fn data_set(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap();
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("idx" | "cifar" | "python") => folder.to_owned(),
        Some("cat") => folder.parent().unwrap().to_owned(),
        _ => file.to_owned(),
    }
}

#[test]
fn data_sets() {
    let folder = workplace();
    let place = |name: &str| folder.path().join(name);
    for name in ["idx", "cifar", "png/cat", "png/dog", "jpg/cat", "jpg/dog"] {
        fs::create_dir_all(place(name)).unwrap();
    }
    let colour = FeatureShape {
        channels: 3,
        height: 32,
        width: 32,
    };
    let small = Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 1, 3, 10).unwrap();
    common::save_untrained_for(&place("colour.safetensors"), &small, colour);
    let pair = Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 1, 3, 2).unwrap();
    common::save_untrained_for(&place("pair.safetensors"), &pair, colour);
    let pixels: Vec<u8> = (0..4 * 28 * 28).map(|i| i as u8).collect();
    let labels: Vec<u8> = vec![0, 1, 2, 3];
    let arrays = zip_of(&[
        ("images.npy", &npy("|u1", "(4, 28, 28)", &pixels)),
        ("labels.npy", &npy("|u1", "(4,)", &labels)),
    ]);
    let batch: Vec<u8> = (0..4)
        .flat_map(|i| cifar_record(&[i], 7 * i as usize))
        .collect();
    let shipped = PathBuf::from(asset("fashion-mnist-2000"));
    let idx_pixels = idx_images(4, 28, 28, 3);
    let grey = "eval model.safetensors --limit 4 --data ";
    let rgb = "eval colour.safetensors --limit 4 --data ";
    let pets = "eval pair.safetensors --limit 4 --data ";
    let line = |start: &str, place: &str| format!("{start}{place}");
    let sound = |file, bytes: Vec<u8>, form, line: String| Sound::new(file, bytes, form, &[&line]);
    for dog in ["png/dog/1.png", "jpg/dog/1.png"] {
        fs::write(place(dog), png(32, 32, [90; 3])).unwrap();
    }
    fs::write(
        place("idx/t10k-labels-idx1-ubyte.gz"),
        gzip(&idx_labels(&labels)),
    )
    .unwrap();
    fs::write(place("cifar/batches.meta.txt"), data::TEN_LETTERS).unwrap();
    let tar = data::tar_gz(&[("cifar/test_batch.bin", &batch)]);
    let sounds = [
        sound("arrays.npz", arrays, Form::Zip, line(grey, "FILE")),
        sound(
            "idx/t10k-images-idx3-ubyte.gz",
            gzip(&idx_pixels),
            Form::Gzip,
            line(grey, "idx"),
        ),
        sound(
            "cifar/test_batch.bin",
            batch,
            Form::Bytes,
            line(rgb, "cifar"),
        ),
        sound(
            "png/cat/0.png",
            png(32, 32, [9; 3]),
            Form::Bytes,
            line(pets, "png --resize 32"),
        ),
        sound(
            "jpg/cat/0.jpg",
            fixture("images/grey.jpg"),
            Form::Bytes,
            line(pets, "jpg --resize 32"),
        ),
        sound("archive.tar.gz", tar, Form::Gzip, line(rgb, "FILE")),
        sound(
            "shipped-labels.gz",
            fs::read(shipped.join("t10k-labels-idx1-ubyte.gz")).unwrap(),
            Form::Gzip,
            line(grey, "FILE"),
        ),
        sound(
            "rows.npz",
            fixture("tokens/gpt.npz"),
            Form::Zip,
            format!("eval {} --limit 4 --data FILE", token_model()),
        ),
        sound(
            "texts.npz",
            fixture("tokens/classifier.npz"),
            Form::Zip,
            format!("eval {} --limit 4 --data FILE", token_classifier()),
        ),
    ];
    let read: Read = |file| {
        let mut request = ReadRequest::new(Split::Test);
        if file.parent().is_some_and(|folder| folder.ends_with("cat")) {
            request.size = Some((32, 32));
        }
        let found = pathscope::data::open(&data_set(file), &request);
        found.map(drop).map_err(text)
    };
    try_all("data", folder.path(), &sounds, 0.25, read);
}

fn token_model() -> String {
    format!(
        "{}/tests/fixtures/exported/gpt.pt2",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn token_classifier() -> String {
    format!(
        "{}/tests/fixtures/tokens/classifier.pt2",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// Everything that is made of results.
fn read_results(file: &Path) -> Result<(), String> {
    let run = Run::read(file).map_err(text)?;
    page(&run, SHARE).map_err(|fault| format!("{}: {fault}", file.display()))?;
    // What can be read can be drawn and compared, or not for a reason.
    if let Ok(pictures) = pictures_of(&[Source::read(file).map_err(text)?], SHARE) {
        for picture in pictures {
            picture
                .svg(Theme::Light)
                .map_err(|fault| format!("{}: {fault}", file.display()))?;
        }
    }
    let _ = Difference::new(&run, &run, SHARE);
    // As a run that is resumed, which cuts an unfinished line off.
    for journal in run.journals {
        let resumed = JournalWriter::open(file, journal.header).map_err(text)?;
        let text = resumed.text().map_err(text_of)?;
        if text.is_empty() {
            return Err("an empty file".into());
        }
    }
    Ok(())
}

fn text_of(error: serde_json::Error) -> String {
    error.to_string()
}

#[test]
fn results() {
    let folder = workplace();
    let place = |name: &str| folder.path().join(name);
    // The words of a resumed run are those of the first one.
    let small = [
        "--data",
        "fashion-mnist-2000",
        "--limit",
        "12",
        "--threads",
        "1",
    ];
    let measure = |command: &str, results: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        succeed(
            folder.path(),
            &[&["-q"], &words[..], &small, &["--results", results]].concat(),
        );
    };
    let lesion = "lesion model.safetensors --each";
    let reorder = "reorder model.safetensors --swaps 2 --count 2";
    let ensemble = "ensemble model.safetensors --members 2 --delete 1";
    let spectrum =
        "gradient-spectrum model.safetensors --batches 2 --examples 2 --draws 1 --samples 2";
    measure(lesion, "lesion.jsonl");
    measure("lesion model.safetensors --greedy 2", "greedy.jsonl");
    measure(reorder, "reorder.jsonl");
    measure(
        "reorder model.safetensors --commutators",
        "commutators.jsonl",
    );
    measure(ensemble, "ensemble.jsonl");
    measure(&format!("{spectrum} --sample-paths"), "spectrum.jsonl");
    measure(&format!("{lesion} --shard 1/2"), "part-1.jsonl");
    measure(&format!("{lesion} --shard 2/2"), "part-2.jsonl");
    let read = |name: &str| fs::read(place(name)).unwrap();
    let resumed = |command: &str| format!("{command} {} --results FILE", small.join(" "));
    let shown = |more: &[&str]| -> Vec<String> {
        let all = [
            "report FILE -o -",
            "plot FILE -o p.svg --force",
            "diff FILE lesion.jsonl",
        ];
        all.iter()
            .chain(more)
            .map(|&line| line.to_owned())
            .collect()
    };
    let sound = |file, source: &str, more: &[&str]| {
        let lines = shown(more);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        Sound::new(file, read(source), Form::JsonLines, &lines)
    };
    let trained = fs::read(asset("results/path-restricted/full-1.jsonl")).unwrap();
    let sounds = [
        sound("a.jsonl", "lesion.jsonl", &[&resumed(lesion)]),
        sound(
            "b.jsonl",
            "greedy.jsonl",
            &[&resumed("lesion model.safetensors --greedy 2")],
        ),
        sound("c.jsonl", "reorder.jsonl", &[&resumed(reorder)]),
        sound("d.jsonl", "commutators.jsonl", &[]),
        sound("e.jsonl", "ensemble.jsonl", &[&resumed(ensemble)]),
        sound(
            "f.jsonl",
            "spectrum.jsonl",
            &[
                "effective-range FILE",
                &resumed(&format!("{spectrum} --sample-paths")),
            ],
        ),
        sound(
            "g.jsonl",
            "part-1.jsonl",
            &["merge -o m.jsonl --force FILE part-2.jsonl"],
        ),
        Sound::new(
            "h.jsonl",
            trained,
            Form::JsonLines,
            &[
                "table FILE",
                "plot FILE -o p.svg --force",
                "report FILE -o -",
            ],
        ),
    ];
    try_all("results", folder.path(), &sounds, 0.2, read_results);
}

#[test]
fn recipes_and_trainings() {
    let folder = workplace();
    let place = |name: &str| folder.path().join(name);
    let begin = [
        "-q",
        "train",
        "--recipe",
        "preresnet20-fashion",
        "--data",
        "images",
        "-o",
        "run",
        "--depth",
        "8",
        "--width",
        "2",
        "--batch",
        "4",
        "--epochs",
        "1",
        "--limit",
        "8",
        "--threads",
        "1",
    ];
    fs::create_dir(place("images")).unwrap();
    for kind in ["images-idx3", "labels-idx1"] {
        let shipped = asset(&format!("fashion-mnist-2000/t10k-{kind}-ubyte.gz"));
        for split in ["t10k", "train"] {
            let name = format!("images/{split}-{kind}-ubyte.gz");
            std::os::unix::fs::symlink(&shipped, place(&name)).unwrap();
        }
    }
    succeed(folder.path(), &begin);
    let recipe = fs::read(place("run/recipe.toml")).unwrap();
    let checkpoint = fs::read(place("run/checkpoint.safetensors")).unwrap();
    let dry = "train --recipe FILE --dry-run --limit 8 --threads 1";
    let resume = "train --resume -o run --threads 1";
    let sounds = [
        Sound::new("odd.toml", recipe, Form::Text, &[dry]),
        Sound::new(
            "run/checkpoint.safetensors",
            checkpoint,
            Form::Safetensors,
            &[resume],
        ),
    ];
    try_all("recipes", folder.path(), &sounds, 0.1, |file| {
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("toml") => {
                let text = fs::read(file).map_err(self::text)?;
                let text = String::from_utf8_lossy(&text);
                Recipe::parse(&text, "odd.toml")
                    .map(drop)
                    .map_err(self::text)
            }
            _ => Checkpoint::read(file).map(drop).map_err(text),
        }
    });
}

/// The same number gives the same file.
#[test]
fn damage_can_be_repeated() {
    let sound = fixture("plain.pt");
    let damage = |input| {
        let mut random: ChaCha8Rng = Seed(24).stream("checkpoints", input);
        damaged(&sound, Form::Zip, &sound, &mut random)
    };
    let different = (0..40).filter(|&input| damage(input) != sound).count();
    assert!(different > 36, "{different}");
    for input in 0..40 {
        assert_eq!(damage(input), damage(input));
    }
}
