//! Tables in the Parquet format, as the Hugging Face hub holds data sets: they are refused with the
//! lines of Python that make them a data set that is read.

use super::DataError;
use std::path::Path;

/// The first bytes of a Parquet file.
pub(super) const START: &[u8] = b"PAR1";

/// Whether a file is a Parquet file, by its name.
pub(super) fn is_parquet(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("parquet"))
}

/// The refusal of a Parquet file.
pub(super) fn refused(file: String) -> DataError {
    let path = Path::new(&file);
    let split = match path.file_name() {
        Some(name) if name.to_string_lossy().starts_with("train") => "train",
        _ => "test",
    };
    let quoted = |text: &str| {
        let text = text.replace('\\', r"\\").replace('"', "\\\"");
        format!("\"{text}\"")
    };
    let (from, to) = (
        quoted(&file),
        quoted(&path.with_extension("npz").to_string_lossy()),
    );
    let python = format!(
        r#"import io, numpy, pandas
from PIL import Image
table = pandas.read_parquet({from})
image = "img" if "img" in table else "image"
label = "fine_label" if "fine_label" in table else "label"
x = [numpy.asarray(Image.open(io.BytesIO(i["bytes"])).convert("RGB")) for i in table[image]]
numpy.savez({to}, x_{split}=numpy.stack(x), y_{split}=table[label])"#
    );
    DataError::Parquet { file, python }
}
