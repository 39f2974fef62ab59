//! The graph of an exported network, before it is computed and while: a model or an error.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pathscope_fuzz::{Desk, with_graph};

const ARCHIVE: &[u8] = include_bytes!("../../tests/fixtures/exported/mixer.pt2");
static DESK: LazyLock<Desk> = LazyLock::new(|| Desk::new("graph.pt2"));

fuzz_target!(|graph: &[u8]| {
    if let Some(bytes) = with_graph(ARCHIVE, graph) {
        let _ = pathscope::format::load_model(DESK.holding(&bytes), None);
    }
});
