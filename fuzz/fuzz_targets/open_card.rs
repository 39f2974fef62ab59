//! Pathscope's own description of a network before the numbers of one: a model or an error.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pathscope_fuzz::{Desk, small_network, with_card};

static NETWORK: LazyLock<Vec<u8>> = LazyLock::new(small_network);
static DESK: LazyLock<Desk> = LazyLock::new(|| Desk::new("card.safetensors"));

fuzz_target!(|card: &[u8]| {
    if let Some(bytes) = with_card(&NETWORK, card) {
        let _ = pathscope::format::load_model(DESK.holding(&bytes), None);
    }
});
