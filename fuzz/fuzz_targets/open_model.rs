//! Whatever the bytes: an error or a model, never a panic, hang or flood of memory.

#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for a temporary file");
    if let Ok(held) = pathscope::format::open(file.path()) {
        for (_, tensor) in held.tensors() {
            let size = tensor.numel() * tensor.kind().elt_size_in_bytes();
            assert!(size <= 2 * bytes.len(), "{size} of {} bytes", bytes.len());
        }
    }
    let _ = pathscope::format::load_model(file.path(), None);
});
