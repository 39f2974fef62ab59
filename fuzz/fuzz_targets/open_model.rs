//! Whatever the bytes: an error or a model, never a panic, hang or flood of memory.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pathscope_fuzz::Desk;

static DESK: LazyLock<Desk> = LazyLock::new(|| Desk::new("model.bin"));

fuzz_target!(|bytes: &[u8]| {
    let file = DESK.holding(bytes);
    if let Ok(held) = pathscope::format::open(file) {
        for (_, tensor) in held.tensors() {
            let size = tensor.numel() * tensor.kind().elt_size_in_bytes();
            assert!(size <= 2 * bytes.len(), "{size} of {} bytes", bytes.len());
        }
    }
    let _ = pathscope::format::load_model(file, None);
});
