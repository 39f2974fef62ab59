//! Damaged and hostile files: an error that says what is wrong, never a panic, a hang or
//! memory beyond a small multiple of the file's length.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use pathscope::format::{Fault, FloatStorage, FormatError, StateDict, open, save_safetensors};
use proptest::{
    prelude::{Just, any},
    prop_assert, prop_oneof, proptest,
    strategy::Strategy,
};
use tch::Tensor;

fn fixture(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    fs::read(file).unwrap()
}

/// A folder for one test's files.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("hostile.pt")
    }

    fn open(&self, bytes: &[u8]) -> Result<StateDict, FormatError> {
        fs::write(self.file(), bytes).unwrap();
        open(&self.file())
    }

    fn error(&self, bytes: &[u8]) -> String {
        self.open(bytes).unwrap_err().to_string()
    }
}

/// An archive as `torch.save` makes it, around a given pickle.
fn archive(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let plain =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        archive.start_file(name, plain).unwrap();
        archive.write_all(bytes).unwrap();
    };
    add("archive/data.pkl", pickle);
    for (key, bytes) in storages {
        add(&format!("archive/data/{key}"), bytes);
    }
    archive.finish().unwrap().into_inner()
}

/// The instructions that make a float tensor of storage `key`; integers below 2^31.
fn tensor(key: &str, numel: i32, offset: i32, size: &[i32], strides: &[i32]) -> Vec<u8> {
    let integer = |n: i32| [b"J".as_slice(), &n.to_le_bytes()].concat();
    let integers = |all: &[i32]| {
        [
            b"(".to_vec(),
            all.iter().flat_map(|&n| integer(n)).collect(),
            b"t".to_vec(),
        ]
        .concat()
    };
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text(key),
        text("cpu"),
        integer(numel),
        b"tQ".to_vec(),
        integer(offset),
        integers(size),
        integers(strides),
        b"\x89NtR".to_vec(),
    ]
    .concat()
}

fn text(text: &str) -> Vec<u8> {
    [
        b"X".as_slice(),
        &u32::try_from(text.len()).unwrap().to_le_bytes(),
        text.as_bytes(),
    ]
    .concat()
}

/// A dictionary of one entry.
fn dictionary(name: &str, value: &[u8]) -> Vec<u8> {
    [
        b"\x80\x02}".to_vec(),
        text(name),
        value.to_vec(),
        b"s.".to_vec(),
    ]
    .concat()
}

const FOUR: &[u8] = &[0; 16];

#[test]
fn the_builder_of_these_tests_makes_valid_files() {
    let desk = Desk::new();
    let valid = archive(
        &dictionary("w", &tensor("0", 4, 0, &[2, 2], &[2, 1])),
        &[("0", FOUR)],
    );
    assert_eq!(desk.open(&valid).unwrap().get("w").unwrap().size(), [2, 2]);
}

#[test]
fn a_call_to_the_shell_stays_a_description() {
    let desk = Desk::new();
    let marker = desk.0.path().join("executed");
    let call = [
        b"cposix\nsystem\n(".to_vec(),
        text(&format!("touch {}", marker.display())),
        b"tR".to_vec(),
    ]
    .concat();
    // Alone, beside a tensor, and in the place of a tensor's constructor.
    let alone = desk.error(&archive(
        &[b"\x80\x02".to_vec(), call.clone(), b".".to_vec()].concat(),
        &[],
    ));
    assert!(alone.contains("posix.system"), "{alone}");
    let pickle = [
        b"\x80\x02}(".to_vec(),
        text("bad"),
        call,
        text("w"),
        tensor("0", 4, 0, &[4], &[1]),
        b"u.".to_vec(),
    ]
    .concat();
    let held = desk.open(&archive(&pickle, &[("0", FOUR)])).unwrap();
    assert_eq!(held.names().collect::<Vec<_>>(), ["w"]);
    assert_eq!(
        held.notes()[0].to_string(),
        "`bad` left out: an object of posix.system"
    );
    let wrapped = [
        b"ctorch._utils\n_rebuild_parameter\n(cposix\nsystem\n(".to_vec(),
        text("x"),
        b"tR\x88NtR".to_vec(),
    ]
    .concat();
    let error = desk.error(&archive(&dictionary("w", &wrapped), &[]));
    assert!(
        error.contains("`w`") && error.contains("posix.system"),
        "{error}"
    );
    assert!(!marker.exists());
}

#[test]
fn claims_beyond_the_file_name_the_entry() {
    let desk = Desk::new();
    let said = |tensor: &[u8]| desk.error(&archive(&dictionary("w", tensor), &[("0", FOUR)]));
    let huge = i32::MAX;
    for (tensor, complaint) in [
        (
            tensor("0", huge, 0, &[huge], &[1]),
            "claims 2147483647 numbers",
        ),
        (
            tensor("0", 4, 0, &[huge], &[1]),
            "out of a storage of 4 numbers",
        ),
        (
            tensor("0", 4, 0, &[huge, huge], &[0, 0]),
            "claim more memory",
        ),
        (
            tensor("0", 4, 0, &[huge, huge, huge], &[huge, huge, huge]),
            "out of a storage",
        ),
        (
            tensor("0", 4, 0, &[0, huge, huge, huge], &[1, 1, 1, 1]),
            "out of a storage",
        ),
        (tensor("0", 4, 1, &[4], &[1]), "out of a storage"),
        (tensor("0", 4, -1, &[4], &[1]), "out of a storage"),
        (tensor("0", 4, 3, &[4], &[-1]), "out of a storage"),
        (tensor("0", 4, 0, &[2, 2], &[1]), "out of a storage"),
        (tensor("0", -4, 0, &[4], &[1]), "a storage's size"),
        (
            tensor("1", 4, 0, &[4], &[1]),
            "\"data/1\" is not in the file",
        ),
        (tensor("../data.pkl", 4, 0, &[4], &[1]), "not in the file"),
    ] {
        let error = said(&tensor);
        assert!(
            error.contains("`w`") && error.contains(complaint),
            "{error}"
        );
    }
}

/// A legacy file around the pickle of an object with storage "0".
fn legacy(object: &[u8], numel: i64, storage: &[u8]) -> Vec<u8> {
    [
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec(),
        object.to_vec(),
        [b"\x80\x02]".to_vec(), text("0"), b"a.".to_vec()].concat(),
        numel.to_le_bytes().to_vec(),
        storage.to_vec(),
    ]
    .concat()
}

#[test]
fn legacy_storages_must_be_what_the_object_says() {
    let desk = Desk::new();
    let object = |numel| dictionary("w", &tensor("0", numel, 0, &[4], &[1]));
    assert_eq!(
        desk.open(&legacy(&object(4), 4, FOUR))
            .unwrap()
            .get("w")
            .unwrap()
            .size(),
        [4]
    );
    for (file, complaint) in [
        (
            legacy(&object(4), 5, FOUR),
            "storage \"0\" has 5 numbers where the object claims 4",
        ),
        (legacy(&object(4), -4, FOUR), "has -4 numbers"),
        (
            legacy(&object(i32::MAX), i64::from(i32::MAX), FOUR),
            "claims 8589934588 bytes, 16 are left",
        ),
        (
            legacy(&object(4), 4, &FOUR[..15]),
            "claims 16 bytes, 15 are left",
        ),
        (
            legacy(b"\x80\x02}.", 4, FOUR),
            "nothing says what storage \"0\" holds",
        ),
    ] {
        let error = desk.error(&file);
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn a_storage_claimed_again_and_again_is_bounded() {
    // The same bytes under every type: more than twice the file's length.
    let desk = Desk::new();
    let storage = vec![0; 1 << 16];
    let classes = ["FloatStorage", "LongStorage", "IntStorage", "DoubleStorage"];
    let entries = classes.iter().flat_map(|class| {
        let numel = if class.starts_with(['L', 'D']) {
            1 << 13
        } else {
            1 << 14
        };
        let made = tensor("0", numel, 0, &[numel], &[1]);
        let at = made
            .windows(12)
            .position(|part| part == b"FloatStorage")
            .unwrap();
        [
            text(class),
            made[..at].to_vec(),
            class.as_bytes().to_vec(),
            made[at + 12..].to_vec(),
        ]
        .concat()
    });
    let pickle = [b"\x80\x02}(".to_vec(), entries.collect(), b"u.".to_vec()].concat();
    let error = desk.error(&archive(&pickle, &[("0", &storage)]));
    assert!(error.contains("twice the file's length"), "{error}");
}

#[test]
fn budgets_stop_bombs_and_name_the_offset() {
    let desk = Desk::new();
    let said = |pickle: &[u8]| {
        let pickle = [b"\x80\x02", pickle, b"."].concat();
        desk.error(&archive(&pickle, &[]))
    };
    let deep_tuples = [b")".to_vec(), b"\x85".repeat(100_000)].concat();
    assert!(said(&deep_tuples).contains("1000 levels of nesting at byte 100"));
    let deep_lists = [b"]".repeat(100_000), b"a".repeat(99_999)].concat();
    assert!(said(&deep_lists).contains("1000 levels of nesting"));
    assert!(said(&b"(".repeat(100_000)).contains("1000 levels of nesting"));
    assert!(said(&b"N0".repeat(3_000_000)).contains("4000000 instructions at byte 40000"));
    let memo: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|n| [b"r".as_slice(), &n.to_le_bytes()].concat())
        .collect();
    assert!(said(&[b"N".to_vec(), memo].concat()).contains("2000000 memo entries"));
    // Ten references to ten references ...: 10^100 leaves, were they followed.
    let mut laughs = b"]q\x00".to_vec();
    for level in 0..100_u8 {
        laughs.extend(
            [
                b"](".to_vec(),
                [b'h', level].repeat(10),
                vec![b'e', b'q', level + 1],
            ]
            .concat(),
        );
    }
    assert!(said(&laughs).contains("a list of 10"));
    // A dictionary copied from a dictionary, often.
    let entries = b"NN".repeat(100_000);
    let copies = b"ccollections\nOrderedDict\nh\x00\x85R0".repeat(1_000);
    let copying = [b"}q\x00(".to_vec(), entries, b"u".to_vec(), copies].concat();
    assert!(said(&copying).contains("instructions"));
    // A list inside itself.
    assert!(said(b"]q\x00h\x00a").contains("a list of 1"));
}

#[test]
fn a_module_inside_itself_ends() {
    let desk = Desk::new();
    let module = [
        b"\x80\x02cm\nM\n)\x81q\x00}(".to_vec(),
        text("_parameters"),
        b"}".to_vec(),
        text("_modules"),
        b"}(".to_vec(),
        text("a"),
        b"h\x00".to_vec(),
        text("b"),
        b"h\x00uub.".to_vec(),
    ]
    .concat();
    let error = desk.error(&archive(&module, &[]));
    assert!(error.contains("levels of modules"), "{error}");
}

#[test]
fn instructions_without_operands_are_errors() {
    let desk = Desk::new();
    for pickle in [
        &b"."[..],
        b"0.",
        b"1.",
        b"2.",
        b"t.",
        b"e.",
        b"u.",
        b"Na.",
        b"NNNs.",
        b"]Na(u.",
        b"}(Nu.",
        b"R.",
        b"NR.",
        b"b.",
        b"Nb.",
        b"Q.",
        b"h\x00.",
        b"j\x00\x00\x00\x00.",
        b"q\x00.",
        b"\x94.",
        b"\x93.",
        b"NN\x93.",
        b"ca.",
        b"ca\nb.",
        b"X\xff\xff\xff\xff.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x8b\xff\xff\xff\x7f.",
        b"(o.",
        b"ia\nb\n.",
        b"(N0N0.",
        b"\x80\x00.",
        b"\x97.",
        b"\x82\x01.",
        b"",
    ] {
        let error = desk.error(&archive(pickle, &[]));
        assert!(error.contains("hostile.pt"), "{pickle:?}: {error}");
    }
}

#[test]
fn compressed_archives_grow_within_bounds() {
    let desk = Desk::new();
    let squeezed = |pickle: &[u8]| {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let deflated = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated);
        archive.start_file("a/data.pkl", deflated).unwrap();
        archive.write_all(pickle).unwrap();
        archive.finish().unwrap().into_inner()
    };
    let error = desk.error(&squeezed(b"N."));
    assert!(error.contains("it holds None"), "{error}");
    let error = desk.error(&squeezed(&vec![0; 80_000_000]));
    assert!(error.contains("too large when decompressed"), "{error}");
}

#[test]
fn big_endian_files_are_refused() {
    let desk = Desk::new();
    let mut plain = fixture("plain.pt");
    let at = plain
        .windows(9)
        .position(|part| part == b"byteorder")
        .unwrap();
    let little = plain[at..]
        .windows(6)
        .position(|part| part == b"little")
        .unwrap()
        + at;
    assert!(matches!(
        {
            // As long as "little", and trimmed to "big".
            plain[little..little + 6].copy_from_slice(b"big   ");
            desk.open(&plain)
        },
        Err(error) if matches!(*error.fault, Fault::BigEndian)
    ));
    let mut legacy = fixture("types_legacy.pt");
    let at = legacy
        .windows(13)
        .position(|part| part == b"little_endian")
        .unwrap();
    let truth = legacy[at..].iter().position(|&byte| byte == 0x88).unwrap() + at;
    legacy[truth] = 0x89;
    assert!(matches!(
        desk.open(&legacy),
        Err(error) if matches!(*error.fault, Fault::BigEndian)
    ));
}

#[test]
fn a_changed_number_is_told() {
    let desk = Desk::new();
    let mut plain = fixture("plain.pt");
    // 1/4, the second number of the convolution, in its storage.
    let at = plain
        .windows(8)
        .position(|part| part == [0, 0, 0x80, 0x3e, 0, 0, 0, 0x3f])
        .unwrap();
    plain[at] ^= 1;
    let held = desk.open(&plain).unwrap();
    let notes: Vec<String> = held.notes().iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        ["`plain/data/0` does not match its checksum: the file may be damaged"]
    );
}

fn safetensors() -> Vec<u8> {
    let desk = Desk::new();
    let tensors = [
        (
            "a.weight".to_owned(),
            Tensor::from_slice(&[1_f32, 2.0, 3.0]).reshape([3, 1]),
        ),
        ("a.count".to_owned(), Tensor::from_slice(&[7_i64])),
    ];
    let metadata = BTreeMap::from([("arch".to_owned(), "small".to_owned())]);
    save_safetensors(&desk.file(), &tensors, &metadata, FloatStorage::AsTheyAre).unwrap();
    fs::read(desk.file()).unwrap()
}

const FILES: [&str; 8] = [
    "plain.pt",
    "wrapped.pth",
    "types.pt",
    "views.pt",
    "types_legacy.pt",
    "views_legacy.pt",
    "legacy_protocol_4.pt",
    "module.pt",
];

fn samples() -> Vec<Vec<u8>> {
    FILES
        .iter()
        .map(|name| fixture(name))
        .chain([safetensors()])
        .collect()
}

#[test]
fn every_truncation_is_an_error() {
    let desk = Desk::new();
    for whole in samples() {
        desk.open(&whole).unwrap();
        for part in 0..40 {
            let error = desk.error(&whole[..whole.len() * part / 40]);
            assert!(error.contains("hostile.pt"), "{error}");
        }
        // Every single byte counts as well.
        assert!(desk.open(&whole[..whole.len() - 1]).is_err());
    }
}

/// What happens to a byte.
#[derive(Debug, Clone)]
enum Damage {
    Flip(u8),
    Set(u8),
    Remove,
    Repeat,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (0..8_u8).prop_map(Damage::Flip),
        any::<u8>().prop_map(Damage::Set),
        Just(Damage::Remove),
        Just(Damage::Repeat),
    ]
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(600))]

    /// Whatever is read from a damaged file has at most twice the file's bytes.
    #[test]
    fn damaged_files_never_panic(
        sample in 0..=FILES.len(),
        damages in proptest::collection::vec((any::<proptest::sample::Index>(), damage()), 1..6),
    ) {
        let mut bytes = match FILES.get(sample) {
            Some(name) => fixture(name),
            None => safetensors(),
        };
        for (place, damage) in damages {
            let place = place.index(bytes.len());
            match damage {
                Damage::Flip(bit) => bytes[place] ^= 1 << bit,
                Damage::Set(value) => bytes[place] = value,
                Damage::Remove => drop(bytes.remove(place)),
                Damage::Repeat => bytes.insert(place, bytes[place]),
            }
        }
        let desk = Desk::new();
        match desk.open(&bytes) {
            Ok(held) => {
                for (_, tensor) in held.tensors() {
                    let size = tensor.numel() * tensor.kind().elt_size_in_bytes();
                    prop_assert!(size <= 2 * bytes.len());
                }
            }
            Err(error) => prop_assert!(error.to_string().contains("hostile.pt")),
        }
    }
}

/// The archive with `copies` entries in its directory where one lies: `.../0`, `.../1`, ...
fn overlapped(archive: &[u8], name: &[u8], copies: u8) -> Vec<u8> {
    let number = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
    let end = archive.len() - 22;
    let (start, size) = (number(end + 16), number(end + 12));
    let mut directory = archive[start..start + size].to_vec();
    let found = directory.windows(name.len()).position(|part| part == name);
    let header = found.unwrap() - 46;
    let length = |at: usize| {
        usize::from(u16::from_le_bytes([
            directory[header + at],
            directory[header + at + 1],
        ]))
    };
    let header = directory[header..][..46 + length(28) + length(30) + length(32)].to_vec();
    for copy in 1..copies {
        let mut header = header.clone();
        header[46 + name.len() - 1] = b'0' + copy;
        directory.extend(header);
    }
    let mut end = archive[end..].to_vec();
    for at in [8, 10] {
        end[at] += copies - 1;
    }
    end[12..16].copy_from_slice(&(directory.len() as u32).to_le_bytes());
    [&archive[..start], &directory, &end].concat()
}

#[test]
fn entries_that_lie_over_each_other_are_refused() {
    let desk = Desk::new();
    let storage = vec![0; 4_000];
    for copies in [2, 5, 9] {
        let entries = (0..copies).flat_map(|copy| {
            let key = copy.to_string();
            [
                text(&format!("w{copy}")),
                tensor(&key, 1_000, 0, &[1_000], &[1]),
            ]
            .concat()
        });
        let pickle = [b"\x80\x02}(".to_vec(), entries.collect(), b"u.".to_vec()].concat();
        let plain = archive(&pickle, &[("0", &storage)]);
        let error = desk.error(&overlapped(&plain, b"archive/data/0", copies));
        assert!(error.contains("lies over another entry"), "{error}");
    }
}
