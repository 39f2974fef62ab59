//! What the spectra of several mini-batches say together.

use pathscope_analysis::record::{BlockIdentity, Header, Meaning, Measure, PerLength, Spectrum};
use pathscope_analysis::{
    BatchMagnitudes, BootstrapOptions, Decay, DecayShape, Interval, LengthRange, Level,
    PathPolynomial, PredictedRange, fit_decay, percentile_interval, predict_range,
    predict_range_of, shares_by_length,
};

use crate::group::common;

/// One measure over all mini-batches.
#[derive(Clone, Debug)]
pub struct MeasuredGradient {
    /// Which.
    pub measure: Measure,
    /// Share of the whole at each length.
    pub shares: Vec<f64>,
    /// Interval of each share over resampled mini-batches; none for a single one.
    pub intervals: Option<Vec<Interval>>,
    /// Mean over examples as recorded: norms for coherent and sampled, squared norms for energy.
    pub recorded: Vec<f64>,
    /// The shortest range of lengths that holds the share asked.
    pub range: LengthRange,
    /// Intervals of its first and its last length; none for a single mini-batch.
    pub ends: Option<(Interval, Interval)>,
    /// Share of all paths that lie in the range.
    pub paths_in_range: f64,
    /// The effective range of every mini-batch by itself.
    pub of_batches: Vec<LengthRange>,
    /// The effective range of every example by itself.
    pub of_examples: Vec<LengthRange>,
}

/// The middle half of some ranges: quartiles of their first and of their last lengths.
pub fn middle_half(ranges: &[LengthRange]) -> Option<(Interval, Interval)> {
    let level = Level::new(0.5).ok()?;
    let quartiles = |end: fn(&LengthRange) -> usize| {
        let ends: Vec<f64> = ranges.iter().map(|range| end(range) as f64).collect();
        percentile_interval(&ends, level).ok()
    };
    quartiles(|range| range.first).zip(quartiles(|range| range.last))
}

/// What the tests of the fit say, in words.
pub(super) fn decay_shape(shape: DecayShape) -> &'static str {
    match shape {
        DecayShape::Exponential => "the points are consistent with an exponential decay",
        DecayShape::Steepening => "the fall steepens with length, so one rho is an approximation",
        DecayShape::Flattening => "the fall flattens with length, so one rho is an approximation",
        DecayShape::Irregular => "the points scatter more than their errors allow",
        _ => "there are too few lengths to test the shape",
    }
}

/// The gradient by path length over all mini-batches of a file.
#[derive(Clone, Debug)]
pub struct GradientSummary {
    /// Share that effective ranges hold.
    pub share: f64,
    /// Mini-batches.
    pub batches: usize,
    /// Examples.
    pub examples: usize,
    /// Natural logarithm of the number of paths of each length.
    pub ln_paths: Vec<f64>,
    /// Share of all paths at each length.
    pub path_shares: Vec<f64>,
    /// The measures that were recorded.
    pub measures: Vec<MeasuredGradient>,
    /// Root of the mean squared coherent sum over the mean path energy, by length, where both were
    /// recorded for every example; not finite where the energy is 0.
    pub cancellation: Option<Vec<f64>>,
    /// Fall of the mean norm of one path with length, its source, and what follows from it.
    pub decay: Option<(Measure, Decay, Option<PredictedRange>)>,
    /// Lengths and mean norms of one path that the decay was fitted to.
    pub path_norms: Vec<(usize, f64)>,
    /// Largest relative difference between the sum over lengths and the ordinary gradient.
    pub sum_check: Option<f64>,
}

/// Summarises the spectra of one network; none where there is nothing that can be summarised.
pub fn summarize(header: &Header, spectra: &[&Spectrum], share: f64) -> Option<GradientSummary> {
    let ln_paths: Vec<f64> = spectra
        .first()?
        .paths
        .iter()
        .map(|count| ln_decimal(count))
        .collect::<Option<_>>()?;
    // All paths, also those of lengths that the measurement left out.
    let blocks = header.model.blocks.iter();
    let ln_total: f64 = blocks.map(|block| (block.functions as f64).ln_1p()).sum();
    let path_shares: Vec<f64> = ln_paths.iter().map(|ln| (ln - ln_total).exp()).collect();
    let measures: Vec<MeasuredGradient> = Measure::ALL
        .into_iter()
        .filter_map(|measure| measured(measure, spectra, &ln_paths, &path_shares, share))
        .collect();
    if measures.is_empty() {
        return None;
    }
    let (path_norms, decay) = decay(header, spectra, &measures, &ln_paths, share);
    let checks = spectra.iter().filter_map(|spectrum| spectrum.sum_check);
    Some(GradientSummary {
        share,
        batches: spectra.len(),
        examples: spectra.iter().map(|spectrum| spectrum.examples).sum(),
        ln_paths,
        path_shares,
        measures,
        cancellation: cancellation(spectra),
        decay,
        path_norms,
        sum_check: checks.reduce(f64::max),
    })
}

/// One measure over all mini-batches; none where it was not recorded, or holds nothing.
fn measured(
    measure: Measure,
    spectra: &[&Spectrum],
    ln_paths: &[f64],
    path_shares: &[f64],
    share: f64,
) -> Option<MeasuredGradient> {
    let recorded: Vec<(usize, &PerLength)> = spectra
        .iter()
        .filter_map(|spectrum| Some((spectrum.examples, spectrum.measures.get(&measure)?)))
        .collect();
    let batches: Vec<BatchMagnitudes> = recorded
        .iter()
        .map(|(examples, values)| {
            // The root of an energy is taken example by example.
            let by_example = values.by_example.iter();
            let by_example = by_example.map(|row| magnitudes(measure, row, ln_paths));
            let mean = magnitudes(measure, &values.mean, ln_paths);
            BatchMagnitudes::new(*examples, by_example.collect(), mean)
        })
        .collect();
    let found =
        shares_by_length(&batches, share, &BootstrapOptions::with_replicates(2_000)).ok()?;
    let range = found.range;
    let in_range = path_shares.get(range.first..=range.last)?;
    Some(MeasuredGradient {
        measure,
        recorded: mean_recorded(&recorded, found.shares.len()),
        shares: found.shares,
        intervals: found.intervals,
        range,
        ends: found.ends,
        paths_in_range: in_range.iter().sum(),
        of_batches: found.of_batches,
        of_examples: found.of_examples,
    })
}

/// From what is recorded of one example, or as the mean over several, to magnitudes by length.
fn magnitudes(measure: Measure, recorded: &[f64], ln_paths: &[f64]) -> Vec<f64> {
    // Counts beyond the range of floats: a common factor changes no share.
    let greatest = ln_paths.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let values = recorded.iter().zip(ln_paths);
    values
        .map(|(&value, paths)| measure.meaning().magnitude(value, (paths - greatest).exp()))
        .collect()
}

/// Mean over examples of what was recorded, for the first `lengths`.
fn mean_recorded(recorded: &[(usize, &PerLength)], lengths: usize) -> Vec<f64> {
    let examples: usize = recorded.iter().map(|(examples, _)| examples).sum();
    let mean = |length: usize| {
        let sum: f64 = recorded
            .iter()
            .filter_map(|(examples, values)| Some(*examples as f64 * values.mean.get(length)?))
            .sum();
        sum / examples as f64
    };
    (0..lengths).map(mean).collect()
}

/// How far paths cancel. Both sides are means of squares over the same examples: a mean of norms
/// beside the root of a mean of squares would differ for a single path too, where examples differ.
fn cancellation(spectra: &[&Spectrum]) -> Option<Vec<f64>> {
    let norms = by_example(spectra, Measure::Coherent)?;
    let energies = by_example(spectra, Measure::Energy)?;
    let sum = |rows: &[&Vec<f64>], length: usize, square: fn(f64) -> f64| -> Option<f64> {
        let values = rows.iter().map(|row| row.get(length).copied().map(square));
        values.sum()
    };
    let lengths = 0..norms.first()?.len();
    let ratios = lengths.map(|length| {
        let squared = sum(&norms, length, |norm| norm * norm)?;
        let energy = sum(&energies, length, |energy| energy)?;
        Some((squared / energy).sqrt())
    });
    ratios.collect()
}

/// What a measure found for every example; none where it, or an example, was not recorded.
fn by_example<'a>(spectra: &[&'a Spectrum], measure: Measure) -> Option<Vec<&'a Vec<f64>>> {
    let mut rows = Vec::new();
    for spectrum in spectra {
        let values = &spectrum.measures.get(&measure)?.by_example;
        if values.is_empty() {
            return None;
        }
        rows.extend(values);
    }
    Some(rows)
}

/// Functions per block, where all blocks have as many and each takes its block's input.
pub(super) fn uniform_functions(header: &Header) -> Option<usize> {
    let ordered = |block: &BlockIdentity| !block.orders.is_empty();
    if header.model.blocks.iter().any(ordered) {
        return None;
    }
    common(header.model.blocks.iter().map(|block| block.functions))
}

type Fall = Option<(Measure, Decay, Option<PredictedRange>)>;

/// The mean norm of one path by length: as sampled, or else the root mean square from the energy.
fn decay(
    header: &Header,
    spectra: &[&Spectrum],
    measures: &[MeasuredGradient],
    ln_paths: &[f64],
    share: f64,
) -> (Vec<(usize, f64)>, Fall) {
    let measured = |meaning| {
        let mut measures = measures.iter().map(|found| found.measure);
        measures.find(|measure| measure.meaning() == meaning)
    };
    let drawn = measured(Meaning::NormOfOnePath);
    let Some(source) = drawn.or_else(|| measured(Meaning::SquaredNorms)) else {
        return (Vec::new(), None);
    };
    let means: Vec<(f64, &[f64])> = spectra
        .iter()
        .filter_map(|spectrum| {
            let values = spectrum.measures.get(&source)?;
            Some((spectrum.examples as f64, values.mean.as_slice()))
        })
        .collect();
    let (usable, fit) = fall(source, &means, ln_paths);
    let Some(decay) = fit else {
        return (usable, None);
    };
    let blocks = &header.model.blocks;
    let predicted = match uniform_functions(header) {
        Some(functions) => predict_range(blocks.len(), functions, decay.rho, share).ok(),
        None => PathPolynomial::with_lengths(blocks.iter().map(BlockIdentity::paths).collect())
            .ok()
            .and_then(|network| predict_range_of(&network, decay.rho, share).ok()),
    };
    (usable, Some((source, decay, predicted)))
}

/// Lengths with the mean norm of one path, and the fit of their fall, from what `source` recorded:
/// for each mini-batch its weight and its means by length.
pub(super) fn fall(
    source: Measure,
    means: &[(f64, &[f64])],
    ln_paths: &[f64],
) -> (Vec<(usize, f64)>, Option<Decay>) {
    let weights: f64 = means.iter().map(|(weight, _)| weight).sum();
    let lengths = means.iter().map(|(_, means)| means.len());
    let lengths = lengths.fold(ln_paths.len(), usize::min);
    let norms = ln_paths
        .iter()
        .take(lengths)
        .enumerate()
        .filter_map(|(length, &paths)| {
            let sum: f64 = means
                .iter()
                .filter_map(|(weight, means)| Some(weight * means.get(length)?))
                .sum();
            let norm = source.meaning().norm_of_one_path(sum / weights, paths)?;
            Some((length, norm))
        });
    // Norms too small for a float have no logarithm.
    let usable: Vec<(usize, f64)> = norms
        .filter(|&(_, norm)| norm.is_finite() && norm > 0.0)
        .collect();
    let (lengths, norms): (Vec<usize>, Vec<f64>) = usable.iter().copied().unzip();
    let errors = (source.meaning() == Meaning::NormOfOnePath)
        .then(|| standard_errors(means, &lengths))
        .flatten();
    let fit = fit_decay(&lengths, &norms, errors.as_deref(), Level::P95)
        .or_else(|_| fit_decay(&lengths, &norms, None, Level::P95));
    (usable, fit.ok())
}

/// Standard errors of the mean sampled norm over mini-batches, for the lengths given; none where
/// they are not all known.
fn standard_errors(means: &[(f64, &[f64])], lengths: &[usize]) -> Option<Vec<f64>> {
    let batches = means.len() as f64;
    lengths
        .iter()
        .map(|&length| {
            let values: Vec<f64> = means
                .iter()
                .filter_map(|(_, means)| means.get(length).copied())
                .collect();
            let mean = values.iter().sum::<f64>() / batches;
            let scatter: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let between = (values.len() > 2).then(|| (scatter / (batches - 1.0) / batches).sqrt());
            between.filter(|error| *error > 0.0)
        })
        .collect()
}

/// Natural logarithm of a decimal number of any size; none for what is no such number.
pub(super) fn ln_decimal(digits: &str) -> Option<f64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let leading = digits.get(..digits.len().min(17))?;
    let rest = digits.len() - leading.len();
    all_digits.then_some(())?;
    Some(leading.parse::<f64>().ok()?.ln() + rest as f64 * std::f64::consts::LN_10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;

    #[test]
    fn logarithms_of_large_counts() {
        let exact = 54.0 * 2f64.ln();
        assert!((ln_decimal("18014398509481984").unwrap() - exact).abs() < 1e-12 * exact);
        let large = format!("1{}", "0".repeat(1_000));
        assert!((ln_decimal(&large).unwrap() - 1_000.0 * std::f64::consts::LN_10).abs() < 1e-9);
        assert_eq!(ln_decimal("-1"), None);
        assert_eq!(ln_decimal(""), None);
    }

    /// A length with a single path has nothing that cancels, however much examples differ.
    #[test]
    fn a_single_path_does_not_cancel() {
        let values = |by_example: Vec<Vec<f64>>| PerLength {
            mean: Vec::new(),
            standard_error: None,
            by_example,
        };
        let mut journal = test_support::spectrum();
        let mut spectrum = journal.spectra()[0].clone();
        // Two images: one path each at length 0; at length 1, two paths that meet at a right angle in
        // the first image and oppose each other in the second.
        let norms = vec![vec![1.0, 2f64.sqrt()], vec![1e-3, 0.0]];
        let energies = vec![vec![1.0, 2.0], vec![1e-6, 2.0]];
        spectrum.measures.insert(Measure::Coherent, values(norms));
        spectrum.measures.insert(Measure::Energy, values(energies));
        let found = cancellation(&[&spectrum]).unwrap();
        assert!((found[0] - 1.0).abs() < 1e-12 && (found[1] - 0.5f64.sqrt()).abs() < 1e-12);
        let none = values(Vec::new());
        spectrum.measures.insert(Measure::Energy, none);
        assert_eq!(cancellation(&[&spectrum]), None);
        journal.records.clear();
        assert_eq!(cancellation(&journal.spectra()), None);
    }

    /// The example's paths fall by 0.4 a function, so the sampled law is binomial by definition.
    #[test]
    fn a_geometric_decay_is_found_and_predicts_its_range() {
        let journal = test_support::spectrum();
        let summary = summarize(&journal.header, &journal.spectra(), 0.95).unwrap();
        let (source, decay, predicted) = summary.decay.unwrap();
        assert_eq!(source, Measure::Sampled);
        assert!((decay.rho - 0.4).abs() < 0.02, "{}", decay.rho);
        let mut measures = summary.measures.iter();
        let sampled = measures.find(|m| m.measure == Measure::Sampled).unwrap();
        assert_eq!(sampled.range, predicted.unwrap().effective.range);
        assert!((sampled.shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((summary.path_shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mut short = journal.spectra()[0].clone();
        short.paths.truncate(4);
        for values in short.measures.values_mut() {
            values.mean.truncate(4);
            values.by_example.iter_mut().for_each(|row| row.truncate(4));
        }
        let short = summarize(&journal.header, &[&short], 0.95).unwrap();
        let whole = summary.path_shares.iter();
        assert!(short.path_shares.iter().zip(whole).all(|(a, b)| a == b));
        let (first, last) = sampled.ends.unwrap();
        assert!(first.contains(sampled.range.first as f64));
        assert!(last.contains(sampled.range.last as f64));
    }
}
