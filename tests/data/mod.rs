//! Small files in the formats that data sets come in.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

pub const TEN_LETTERS: &str = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n";

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Label bytes and an image whose pixels count upwards from `start`.
pub fn cifar_record(labels: &[u8], start: usize) -> Vec<u8> {
    labels
        .iter()
        .copied()
        .chain((start..start + 3072).map(|i| i as u8))
        .collect()
}

pub fn idx_images(count: u32, height: u32, width: u32, start: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    bytes.extend(
        [count, height, width]
            .iter()
            .flat_map(|size| size.to_be_bytes()),
    );
    bytes.extend((0..(count * height * width) as usize).map(|i| (start + i) as u8));
    bytes
}

pub fn idx_labels(labels: &[u8]) -> Vec<u8> {
    let count = labels.len() as u32;
    [&[0, 0, 8, 1][..], &count.to_be_bytes(), labels].concat()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

pub fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

pub fn png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb(colour))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

pub fn npy(kind: &str, sizes: &str, elements: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {sizes}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [
        b"\x93NUMPY\x01\x00",
        &length[..],
        header.as_bytes(),
        elements,
    ]
    .concat()
}

pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A batch as Python 2 and NumPy wrote the official ones (protocol 2, byte strings).
pub fn official_pickle(labels: &[u8], pixels: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x07testingq\x03".to_vec();
    bytes.extend(b"U\x06labelsq\x04]q\x05(");
    bytes.extend(labels.iter().flat_map(|&label| [b'K', label]));
    bytes.extend(
        b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
    );
    bytes.extend(b"K\x00\x85U\x01b\x87Rq\x09(K\x01");
    bytes.extend([b'M', (pixels.len() / 3072) as u8, 0]);
    bytes.extend(b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b");
    bytes.extend(b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    bytes.extend((pixels.len() as u32).to_le_bytes());
    bytes.extend(pixels);
    bytes.extend(b"tbU\x09filenamesq\x0c]q\x0d(U\x05a.pngq\x0eeu.");
    bytes
}

pub fn official_names() -> Vec<u8> {
    let names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ];
    let mut bytes =
        b"\x80\x02}q\x01(U\x13num_cases_per_batchq\x02M\x10'U\x0blabel_namesq\x03]q\x04(".to_vec();
    for name in names {
        bytes.extend([b'U', name.len() as u8]);
        bytes.extend(name.as_bytes());
    }
    bytes.extend(b"eU\x07num_visq\x0fM\x00\x0cu.");
    bytes
}

/// Arguments: path, protocol, order.
pub const PICKLER: &str = r#"
import pickle, sys, types
path, protocol, order = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def module(name):
    sys.modules[name] = types.ModuleType(name)
    return sys.modules[name]
numpy = module('numpy'); module('numpy._core')
multiarray = module('numpy._core.multiarray'); numeric = module('numpy._core.numeric')
def _reconstruct(*a): pass
def _frombuffer(*a): pass
class dtype:
    def __reduce__(self): return dtype, ('u1', False, True), (3, '|', None, None, None, -1, -1, 0)
class ndarray:
    def __reduce_ex__(self, protocol):
        raw = bytes(i % 251 for i in range(2 * 3072))
        if order == 'F':
            raw = bytes(raw[n * 3072 + p] for p in range(3072) for n in range(2))
        if protocol == 5:
            return _frombuffer, (pickle.PickleBuffer(raw), dtype(), (2, 3072), order)
        return (_reconstruct, (ndarray, (0,), b'b'),
                (1, (2, 3072), dtype(), order == 'F', raw))
for owner, member in ((multiarray, _reconstruct), (numeric, _frombuffer),
                      (numpy, dtype), (numpy, ndarray)):
    member.__module__ = owner.__name__; setattr(owner, member.__name__, member)
batch = {b'data': ndarray(), b'labels': [4, 9], 'filenames': ['a', 'b'], b'none': None}
pickle.dump(batch, open(path, 'wb'), protocol)
"#;
