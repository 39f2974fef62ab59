//! NumPy archives of images and of tokens: a data set or an error.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pathscope::data::{ReadRequest, Split, open};
use pathscope_fuzz::Desk;

static DESK: LazyLock<Desk> = LazyLock::new(|| Desk::new("arrays.npz"));

fuzz_target!(|bytes: &[u8]| {
    let file = DESK.holding(bytes);
    for split in [Split::Train, Split::Test] {
        let _ = open(file, &ReadRequest::new(split));
    }
});
