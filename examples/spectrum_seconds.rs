//! Times the exact gradient spectrum of one mini-batch within a process that is already warm.
//!
//! benches/gradient_spectrum.py runs this beside PyTorch, in turn: for every line on the standard
//! input the spectrum is measured once, and the seconds it took are a line on the standard output.
//!
//! ```text
//! cargo build --release --example spectrum_seconds
//! yes | head -3 | target/release/examples/spectrum_seconds MODEL DATA EXAMPLES THREADS
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use pathscope::data::{self, ReadRequest, Split};
use pathscope::experiment::{
    ComputeOptions, GradientPoint, Journal, Laboratory, Loss, Origin, SpectrumOptions,
};
use pathscope::format::load_model;
use pathscope_analysis::Seed;
use pathscope_analysis::record::{Measure, Options, Record};
use tch::Kind;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, place, examples, threads] = arguments.as_slice() else {
        return Err("usage: spectrum_seconds MODEL DATA EXAMPLES THREADS".into());
    };
    let examples: usize = examples.parse()?;
    let model = load_model(Path::new(model), None)?;
    let request = ReadRequest {
        limit: Some(examples),
        ..ReadRequest::new(Split::Test)
    };
    let data = data::open(Path::new(place), &request)?;
    let compute = ComputeOptions {
        threads: threads.parse()?,
        ..ComputeOptions::default()
    };
    let card = &model.card;
    let laboratory = Laboratory::new(&model.network, &data, &data, &card.normalization, compute)?;
    let options = SpectrumOptions {
        measures: BTreeMap::from([(Measure::Coherent, 1)]),
        record_paths: false,
        loss: Loss::CrossEntropy,
        at: GradientPoint::Input,
        longest: None,
        grading: None,
        batches: 1,
        examples,
        seed: Seed(0),
        deadline: None,
    };
    let plan = laboratory.intact();
    for line in io::stdin().lock().lines() {
        line?;
        let settings = options.settings(32, laboratory.normalization());
        let asked = Options::GradientSpectrum(settings);
        let header = laboratory.header(
            asked,
            Origin {
                title: &card.title,
                hash: &model.hash,
                ..Origin::default()
            },
        )?;
        let mut journal = Journal::in_memory(header);
        let start = Instant::now();
        laboratory.spectrum(&plan, &options, Kind::Float, &mut journal, &|_| {})?;
        let seconds = start.elapsed().as_secs_f64();
        let Some(Record::Spectrum(spectrum)) = journal.records().first() else {
            return Err("no spectrum was recorded".into());
        };
        let check = spectrum.sum_check.unwrap_or(f64::NAN);
        let mut output = io::stdout().lock();
        writeln!(output, "{seconds} {check:e}")?;
        output.flush()?;
    }
    Ok(())
}
