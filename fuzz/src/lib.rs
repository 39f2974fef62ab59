//! What the fuzz targets share: files with the bytes of an input, in the places where they are read.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use pathscope::data::Normalization;
use pathscope::format::{FloatStorage, ModelCard, save_model};
use pathscope::network::{Architecture, Family, FeatureShape, TrainableNetwork, Unit};
use tempfile::TempDir;

/// A folder that is the same for all inputs of a process, with a file that each of them replaces.
#[derive(Debug)]
pub struct Desk {
    folder: TempDir,
    file: PathBuf,
}

impl Desk {
    /// A folder with room for the file `name`, which may lie in folders of its own.
    ///
    /// # Panics
    /// Where there is no room for temporary files.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(name);
        let inner = file.parent().expect("a folder around the file");
        fs::create_dir_all(inner).expect("room for a folder");
        Self { folder, file }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file, which holds `bytes` from now on.
    ///
    /// # Panics
    /// Where there is no room for it.
    pub fn holding(&self, bytes: &[u8]) -> &Path {
        fs::write(&self.file, bytes).expect("room for a temporary file");
        &self.file
    }
}

/// The bytes of a small untrained network in pathscope's own format.
///
/// # Panics
/// Where it cannot be written.
#[must_use]
pub fn small_network() -> Vec<u8> {
    let architecture = Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 2, 1, 10);
    let specification = architecture.and_then(|found| found.build());
    let specification = specification.expect("a small architecture");
    let network = TrainableNetwork::initialized(&specification, 1).expect("a small network");
    let card = ModelCard {
        title: "small".into(),
        specification,
        input: FeatureShape {
            channels: 1,
            height: 28,
            width: 28,
        },
        normalization: Normalization::preset("half").expect("a known normalisation"),
        framing: None,
        class_names: Vec::new(),
        evaluation: None,
        training: None,
    };
    let desk = Desk::new("small.safetensors");
    let file = desk.holding(b"");
    save_model(file, &card, &network, FloatStorage::AsTheyAre).expect("room for a model");
    fs::read(file).expect("the model that was written")
}

/// A safetensors file whose description of the network is `card`; nothing where that is no text.
#[must_use]
pub fn with_card(network: &[u8], card: &[u8]) -> Option<Vec<u8>> {
    let card = std::str::from_utf8(card).ok()?;
    let length = u64::from_le_bytes(network.get(..8)?.try_into().ok()?);
    let end = 8 + usize::try_from(length).ok()?;
    let mut header: serde_json::Value = serde_json::from_slice(network.get(8..end)?).ok()?;
    *header.pointer_mut("/__metadata__/pathscope")? = card.into();
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    Some([&length, header.as_bytes(), network.get(end..)?].concat())
}

/// An archive of `torch.export` whose graph is `graph`.
#[must_use]
pub fn with_graph(archive: &[u8], graph: &[u8]) -> Option<Vec<u8>> {
    let mut before = zip::ZipArchive::new(Cursor::new(archive)).ok()?;
    let mut after = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for place in 0..before.len() {
        let mut entry = before.by_index(place).ok()?;
        let name = entry.name().ok()?.into_owned();
        after.start_file(&name, stored).ok()?;
        if name.ends_with("models/model.json") {
            after.write_all(graph).ok()?;
        } else {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).ok()?;
            after.write_all(&content).ok()?;
        }
    }
    Some(after.finish().ok()?.into_inner())
}
