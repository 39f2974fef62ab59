//! An image in a class folder: a data set or an error.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pathscope::data::{ReadRequest, Split, open};
use pathscope_fuzz::Desk;

static DESK: LazyLock<Desk> = LazyLock::new(|| Desk::new("cat/image.png"));

fuzz_target!(|bytes: &[u8]| {
    DESK.holding(bytes);
    let request = ReadRequest {
        size: Some((32, 32)),
        // A picture of a whole limit takes seconds to decode, which says nothing of its reader.
        max_pixels: 1 << 20,
        ..ReadRequest::new(Split::Test)
    };
    let _ = open(DESK.folder(), &request);
});
