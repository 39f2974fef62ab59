//! Nothing that a public function accepts makes it panic: no blocks, no functions, empty arrays,
//! NaN and infinities give a typed error or an answer.

use ndarray::Array2;
use pathscope_analysis::*;
use proptest::prelude::*;

/// Numbers that measurements are not supposed to hold, among ordinary ones.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        Just(-1.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        0.0..1.0f64,
        -10.0..1e6f64,
    ]
}

fn numbers(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(any_number(), 0..most)
}

fn few() -> BootstrapOptions {
    BootstrapOptions::with_replicates(20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn counts_and_laws(functions in prop::collection::vec(0usize..4, 0..6), n in 0usize..9, k in 0usize..5, first in 0usize..9, last in 0usize..9, p in any_number(), l in 0usize..20) {
        if let Ok(network) = PathPolynomial::new(&functions) {
            let _ = (network.shares(), network.log10_paths(), network.log10_configurations());
            let _ = network.decayed(p).map(|law| (law.pmf(l), law.quantile(p)));
            let _ = network.share(LengthRange { first, last });
            let _ = network.clone().without_blocks(&[first]);
            let _ = network.clone().without_functions(&[(first, last), (first, last)]);
            let mut random = Seed(0).stream("no panic", 0);
            if let Ok(sampler) = network.paths_of_length(l) {
                prop_assert_eq!(sampler.sample(&mut random).length(), l);
            }
            prop_assert!(network.enumerate().take(50).count() > 0);
        }
        let _ = PathPolynomial::uniform(n, k);
        let blocks = functions.iter().map(|&k| BlockPaths::new(Some(n), vec![l; k])).collect();
        let _ = PathCounts::new("any", blocks, None, Some(LengthRange { first, last }));
        for law in [Binomial::new(n, p), Binomial::from_odds(n, p), Binomial::of_path_lengths(n, k)].into_iter().flatten() {
            let _ = (law.pmf(l), law.cdf(l), law.sf(l), law.quantile(p), law.central_interval(p), law.probabilities());
        }
        if let Ok(law) = Multinomial::from_odds(n, &[p, 1.0]) {
            let _ = (law.pmf(&[first, last]), law.marginal(first), law.covariance(first, last));
        }
        let term = |length, weight| WeightedTerm { length, weight };
        let _ = BlockwiseLaw::new(&[vec![term(first, p), term(last, 1.0)]]).map(|law| (law.pmf(l), law.quantile(p)));
    }

    #[test]
    fn ranges_decay_and_scaling(a in numbers(9), b in numbers(9), share in any_number(), rho in any_number(), n in 0usize..9, k in 0usize..4) {
        let _ = effective_range(&a, share);
        let _ = predict_range(n, k, rho, share);
        let lengths: Vec<usize> = (0..a.len()).map(|l| l / 2).collect();
        let _ = fit_decay(&lengths, &a, None, Level::P95);
        let _ = fit_decay(&lengths, &a, Some(&b), Level::P95);
        let _ = fit_power_law(&a, &b, Level::P95);
        let _ = fit_common_power_law(&[(&a, &b), (&b, &a)], Level::P95);
        for rows in [0, 1, 2] {
            let columns = a.len();
            let table = Array2::from_shape_fn((rows, columns), |(i, j)| a[j] + i as f64);
            let _ = bootstrap_effective_range(table.view(), share, &few());
            let _ = depth_threshold(&b, table.view(), table.view(), &few());
        }
    }

    #[test]
    fn statistics(a in numbers(12), b in numbers(12), errors in 0usize..12, examples in 0usize..12, margin in any_number()) {
        let _ = (wilson(errors, examples, Level::P95), clopper_pearson(errors, examples, Level::new(0.99).unwrap()));
        let wrong = |values: &[f64]| values.iter().map(|value| *value > 0.5).collect::<Vec<bool>>();
        let _ = mcnemar(&wrong(&a), &wrong(&b));
        let _ = mcnemar_p_value(errors, examples);
        // Numbers of any size, also beyond the range of whole ones.
        let _ = exchange_p_value(&a.iter().map(|&value| value as i64).collect::<Vec<i64>>());
        let _ = (holm(&a), benjamini_hochberg(&a), kendall_tau(&a, &b));
        let mean = |sample: &[usize]| sample.iter().map(|&i| a[i]).sum::<f64>() / sample.len() as f64;
        for method in [BootstrapMethod::Percentile, BootstrapMethod::default()] {
            let options = BootstrapOptions { method, ..few() };
            let _ = bootstrap(a.len(), mean, &options);
            let _ = paired_bootstrap(&a, &b, &options);
        }
        let _ = (percentile_interval(&a, Level::P95), Level::new(margin));
        let _ = bca_interval(&a, margin, &b, Level::P95);
        let margin = Interval::new(-margin, margin);
        let _ = equivalent_paired(&a, &b, margin, Level::P95);
    }

    #[test]
    fn orders(classes in prop::collection::vec(0usize..3, 0..9), swaps in 0usize..5, tau in any_number(), tolerance in any_number(), by in any::<usize>()) {
        let Ok(space) = OrderSpace::new(&classes) else { return Ok(()) };
        let mut random = Seed(0).stream("no panic", 1);
        let _ = (space.identity(), space.reversal(), space.rotation(by), space.uniform(&mut random));
        let _ = (space.random_swaps(swaps, &mut random), space.adjacent_swaps(swaps, &mut random));
        for over in [TauPairs::AllBlocks, TauPairs::WithinClasses] {
            if let Ok(orders) = space.at_tau(tau, tolerance, over) {
                let _ = orders.sample(&mut random).kendall_tau();
            }
        }
    }
}
