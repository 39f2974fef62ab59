//! Writes the logits of an exported network for a given array, in batches of several sizes.
//!
//! scripts/exported_families.py compares them with PyTorch's. INPUT.npz holds the array `x`; for
//! each SIZE, the first SIZE examples are one batch, and OUTPUT.npz holds their logits as
//! `logits_SIZE`. The standard output is one line: the number of blocks, the seconds that opening
//! took, and the names of the blocks.
//!
//! ```text
//! cargo run --release --example exported_logits -- MODEL.pt2 INPUT.npz OUTPUT.npz SIZE...
//! ```

use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use pathscope::format::load_model;
use pathscope::network::{FrozenNetwork, Pass, Plan};
use tch::{Kind, Tensor};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last line of the standard error is what the table shows.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, input, output, sizes @ ..] = arguments.as_slice() else {
        return Err("usage: exported_logits MODEL.pt2 INPUT.npz OUTPUT.npz SIZE...".into());
    };
    tch::set_num_threads(1);
    let start = Instant::now();
    let model = load_model(Path::new(model), None)?;
    let opening = start.elapsed().as_secs_f64();
    let arrays = Tensor::read_npz(input)?;
    let (_, examples) = arrays
        .iter()
        .find(|(name, _)| name == "x")
        .ok_or("the input has no array `x`")?;
    let network = FrozenNetwork::freeze(&model.network, Kind::Float)?;
    let plan = Plan::intact(network.structure());
    let mut results = Vec::new();
    for size in sizes {
        let batch = examples.f_narrow(0, 0, size.parse()?)?;
        let logits = network.forward(&batch, &plan, &Pass::EVALUATION)?;
        results.push((format!("logits_{size}"), logits.contiguous()));
    }
    Tensor::write_npz(&results, output)?;
    let blocks = &model.card.specification.blocks;
    let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
    let mut shown = stdout().lock();
    writeln!(shown, "{} {opening:.3} {}", blocks.len(), names.join(" "))?;
    Ok(())
}
