use num_bigint::BigUint;
use proptest::prelude::*;

use crate::exact::ratio;
use crate::golden::table;
use crate::{Binomial, BlockwiseLaw, LengthLaw, LengthLawError, PathPolynomial, WeightedTerm};

/// A probability to 1e-12 relative is its logarithm to 1e-12 absolute; beyond the smallest `f64`
/// the logarithm itself is what can be asked for, to 1e-12 relative.
fn close(got: f64, want: f64, what: &str) {
    let scale = if want > -745.0 { 1.0 } else { want.abs() };
    assert!(
        got == want || (got - want).abs() <= 1e-12 * scale,
        "{what}: {got} instead of {want}"
    );
}

/// mpmath 1.3, 60 digits, odds a/b and p = a/(a+b): logarithms of `binomial(n,l)*p**l*(1-p)**(n-l)`
/// and of the exact sums of it up to `l` and beyond `l`.
#[test]
fn binomial_agrees_with_exact_sums_in_both_tails() {
    // n, a, b, l; logarithms of pmf, cdf and sf
    let golden = "
        10000 1 1   0     -6931.4718055994530942 -6931.4718055994530942     0.0
        10000 1 1   1     -6922.2614652274769114 -6922.2613652324765781     0.0
        10000 1 1   100   -6374.6737939239823764 -6374.6636436343359603     0.0
        10000 1 1   3500  -461.78924974872893475 -461.01683536042536351     0.0
        10000 1 1   4000  -206.16571243715026084 -205.06908730489714673     0.0
        10000 1 1   4800  -12.832320651206211945 -10.319985964502216721     -0.000032968121435905606941
        10000 1 1   5000  -4.8309865386327771337 -0.68520019552069427782    -0.70115782641972085467
        10000 1 1   5001  -4.8311865186354434005 -0.66949633227337356828    -0.71737096935317059134
        10000 1 1   5500  -54.909630170974735097 -6.3328257267910507018e-24 -53.416295692972233448
        10000 1 1   6500  -461.78924974872893475 0.0                        -461.63653976205874854
        10000 1 1   9999  -6922.2614652274769114 0.0                        -6931.4718055994530942
        10000 1 1   10000 -6931.4718055994530942 0.0                        -inf
        10000 8 1   0     -21972.245773362193828 -21972.245773362193828     0.0
        10000 8 1   1     -21960.955991448537809 -21960.955978948615934     0.0
        10000 8 1   5000  -4648.3972459021938696 -4648.2637512304016175     0.0
        10000 8 1   8000  -337.29706627894586573 -336.6050395615892737      0.0
        10000 8 1   8700  -21.67173048061997797  -19.885890049115257559     -2.3102963098881115915e-9
        10000 8 1   8888  -4.3674306396364273854 -0.70639804586494927904    -0.68006960692414795827
        10000 8 1   8889  -4.3666434593877387043 -0.68099719789383522094    -0.70544660285471988042
        10000 8 1   8950  -6.2636575488042697849 -0.024574287114252880459   -3.7183166033129562811
        10000 8 1   9500  -236.39945698548987383 0.0                        -236.72072248624784954
        10000 8 1   9999  -1170.6994577335381986 0.0                        -1177.8303565638345454
        10000 8 1   10000 -1177.8303565638345454 0.0                        -inf
        54    1 1   0     -37.429947750237046709 -37.429947750237046709     -5.5511151231257828562e-17
        54    1 1   4     -24.765656269162842984 -24.685801112687866968     -1.9014845254087069496e-11
        54    1 1   17    -5.94552139196618111   -5.3955619788063644761     -0.0045469920878309281703
        54    1 1   26    -2.2612803852254022644 -0.80752248414350823338    -0.59052123643131266207
        54    1 1   27    -2.2249127410545274146 -0.59052123643131266207    -0.80752248414350823338
        54    1 1   54    -37.429947750237046709 0.0                        -inf
        10000 1 999 0     -10.005003335835335001 -10.005003335835335001     -0.000045174366323370447823
        10000 1 999 1     -7.7014177425077057839 -7.6061984759267718751     -0.00049748271540131012399
        10000 1 999 5     -3.275567262012577094  -2.7031914231416284901     -0.069340832086999202984
        10000 1 999 10    -2.0780614013099416883 -0.53949989490697808327    -0.87476441096019566766
        10000 1 999 30    -15.599214723023442674 -7.8141806780808332604e-8  -16.364740664302852767
        10000 1 999 200   -414.52323896743363791 6.0674398959146131645e-60  -417.49339703822861244
    ";
    for [n, a, b, l, pmf, cdf, sf] in table(golden) {
        let (n, l) = (n as usize, l as usize);
        let law = Binomial::from_odds(n, a / b).unwrap();
        close(law.ln_pmf(l), pmf, &format!("pmf {n} {a}/{b} {l}"));
        close(law.ln_cdf(l), cdf, &format!("cdf {n} {a}/{b} {l}"));
        close(law.ln_sf(l), sf, &format!("sf {n} {a}/{b} {l}"));
        let want = pmf.exp();
        assert!((law.pmf(l) - want).abs() <= 1e-12 * want + f64::MIN_POSITIVE);
    }
}

/// The law of the number of blocks taken, each with its own probability: Poisson-binomial.
fn of_probabilities(probabilities: &[f64]) -> Result<BlockwiseLaw, LengthLawError> {
    let term = |length, weight| WeightedTerm { length, weight };
    let block = |&p: &f64| vec![term(0, 1.0 - p), term(1, p)];
    BlockwiseLaw::new(&probabilities.iter().map(block).collect::<Vec<_>>())
}

/// Exact integers in Python: 5,000 blocks with k = 1 and 5,000 with k = 4,
/// `sum(comb(5000,j) * comb(5000,l-j) * 4**(l-j) for j in ...) / 2**5000 / 5**5000`.
#[test]
#[allow(clippy::excessive_precision)]
fn blockwise_law_agrees_with_exact_sums_at_ten_thousand() {
    let golden = [
        (0, -11512.92546497022842),
        (1, -11502.798833866378082),
        (1000, -7368.760136365452765),
        (5000, -531.57466705915470446),
        (6400, -7.1671904845279038703),
        (6500, -4.7317592786942618165),
        (6600, -7.1743411336104170581),
        (9000, -1823.5826918858902896),
        (9999, -4572.7133226280448787),
        (10000, -4581.4536593707753259),
    ];
    let functions: Vec<usize> = (0..10_000).map(|block| 1 + 3 * (block % 2)).collect();
    let law = PathPolynomial::new(&functions)
        .unwrap()
        .decayed(1.0)
        .unwrap();
    for (l, want) in golden {
        close(law.ln_pmf(l), want, &format!("{l}"));
    }
    assert!((law.mean() - 6_500.0).abs() < 1e-8);
    assert!((law.variance() - 2_050.0).abs() < 1e-8);
}

#[test]
fn blockwise_law_agrees_with_the_polynomial_in_both_tails() {
    let functions: Vec<usize> = (0..600).map(|block| 1 + block % 5).collect();
    let network = PathPolynomial::new(&functions).unwrap();
    let law = network.decayed(1.0).unwrap();
    let (counts, paths) = (network.counts(), network.paths());
    let mut below = BigUint::ZERO;
    for (length, count) in counts.iter().enumerate() {
        below += count;
        let want = [count.clone(), below.clone(), &paths - &below];
        let got = [law.pmf(length), law.cdf(length), law.sf(length)];
        for (got, want) in got.into_iter().zip(want) {
            let want = ratio(&want, &paths).unwrap();
            assert!(
                (got - want).abs() <= 1e-12 * want + 1e-300,
                "{length}: {got} {want}"
            );
        }
    }
}

/// A gate that carries `t` and transforms `c = 1 - t`, and a block whose skip is weighted: the law
/// is the normalised product of their polynomials, multiplied out here.
#[test]
fn weighted_terms_multiply() {
    let term = |length, weight| WeightedTerm { length, weight };
    let blocks = [
        vec![term(0, 0.7), term(1, 0.3)],
        vec![term(0, 0.5), term(1, 2.0), term(2, 1.5)],
        vec![term(1, 1e300), term(0, 1e300)],
    ];
    let law = BlockwiseLaw::new(&blocks).unwrap();
    let mut product = vec![1.0];
    for terms in &blocks {
        let sum: f64 = terms.iter().map(|term| term.weight / 1e300).sum();
        let mut longer = vec![0.0; product.len() + 2];
        for term in terms {
            for (length, weight) in product.iter().enumerate() {
                longer[length + term.length] += weight * (term.weight / 1e300) / sum;
            }
        }
        product = longer;
    }
    let (mut mean, mut below) = (0.0, 0.0);
    for (length, want) in product.iter().enumerate() {
        mean += length as f64 * want;
        below += want;
        assert!((law.pmf(length) - want).abs() < 1e-15, "{length}");
        assert!((law.cdf(length) - below).abs() < 1e-14, "{length}");
    }
    assert!((law.mean() - mean).abs() < 1e-14);
    assert_eq!(law.max_length(), 4);
    for bad in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        assert!(BlockwiseLaw::new(&[vec![term(0, bad)]]).is_err(), "{bad}");
    }
    assert!(BlockwiseLaw::new(&[]).is_err() && BlockwiseLaw::new(&[vec![]]).is_err());
    assert!(BlockwiseLaw::new(&[vec![term(usize::MAX, 1.0)], vec![term(9, 1.0)]]).is_err());
}

/// The exact counts divided by the exact total, for every length of a deep network with k = 8.
#[test]
fn full_law_agrees_with_the_exact_counts() {
    let law = Binomial::of_path_lengths(10_000, 8).unwrap();
    let law = law.probabilities().unwrap();
    let shares = PathPolynomial::uniform(10_000, 8).unwrap().shares();
    assert_eq!(law.len(), shares.len());
    for (got, want) in law.iter().zip(shares) {
        assert!((got - want).abs() <= 1e-12 * want + 1e-300, "{got} {want}");
    }
}

/// scipy 1.17: `binom.ppf(q, n, p)`.
#[test]
fn quantiles_agree_with_scipy() {
    let law = Binomial::new(3, 0.3).unwrap();
    assert_eq!(
        [0.5, 0.01, 0.99].map(|q| law.quantile(q).unwrap()),
        [1, 0, 3]
    );
    let law = Binomial::of_path_lengths(10_000, 8).unwrap();
    let probabilities = [1e-9, 0.025, 0.5, 0.975];
    assert_eq!(
        probabilities.map(|q| law.quantile(q).unwrap()),
        [8696, 8827, 8889, 8950]
    );
}

#[test]
fn refuse_what_has_no_answer() {
    assert!(Binomial::new(0, 0.5).is_err());
    assert!(Binomial::of_path_lengths(0, 1).is_err());
    assert!(Binomial::of_path_lengths(1, 0).is_err());
    for bad in [f64::NAN, -0.1, f64::INFINITY] {
        assert!(Binomial::new(3, bad).is_err());
        assert!(Binomial::from_odds(3, bad).is_err());
        assert!(of_probabilities(&[0.5, bad]).is_err());
        let law = Binomial::new(3, 0.5).unwrap();
        assert!(law.quantile(bad).is_err() && law.central_interval(bad).is_err());
    }
    assert!(matches!(
        of_probabilities(&[]),
        Err(LengthLawError::Empty(_))
    ));
    let endless = Binomial::new(usize::MAX, 0.5).unwrap();
    assert!(endless.probabilities().is_err());
    // Certain and impossible trials.
    let [never, always] = [0.0, 1.0].map(|p| Binomial::new(4, p).unwrap());
    assert_eq!(
        (never.pmf(0), never.cdf(0), never.sf(0), never.pmf(2)),
        (1.0, 1.0, 0.0, 0.0)
    );
    assert_eq!(
        (always.pmf(4), always.cdf(3), always.sf(3), always.pmf(9)),
        (1.0, 0.0, 1.0, 0.0)
    );
    let sure = of_probabilities(&[1.0, 0.0, 1.0]).unwrap();
    assert_eq!(
        (sure.pmf(2), sure.cdf(1), sure.cdf(2), sure.sf(2)),
        (1.0, 0.0, 1.0, 0.0)
    );
}

proptest! {
    #[test]
    fn laws_are_normalised_and_their_moments_hold(n in 1usize..300, p in 0.001f64..0.999) {
        let law = Binomial::new(n, p).unwrap();
        let probabilities = law.probabilities().unwrap();
        let moment = |f: &dyn Fn(f64) -> f64| -> f64 {
            probabilities.iter().enumerate().map(|(l, p)| p * f(l as f64)).sum()
        };
        prop_assert!((moment(&|_| 1.0) - 1.0).abs() < 1e-12);
        prop_assert!((moment(&|l| l) - law.mean()).abs() < 1e-10);
        prop_assert!((moment(&|l| (l - law.mean()).powi(2)) - law.variance()).abs() < 1e-9);
    }

    #[test]
    fn mirror_image(n in 1usize..300, p in 0.001f64..0.999, l in 0usize..300) {
        let (law, mirror) = (Binomial::new(n, p).unwrap(), Binomial::new(n, 1.0 - p).unwrap());
        let l = l.min(n);
        prop_assert!((law.pmf(l) - mirror.pmf(n - l)).abs() <= 1e-11 * law.pmf(l));
        if l < n {
            prop_assert!((law.cdf(l) - mirror.sf(n - l - 1)).abs() <= 1e-11 * law.cdf(l));
        }
    }

    #[test]
    fn convolution_of_two_is_the_law_of_both(a in prop::collection::vec(0.0f64..=1.0, 1..20), b in prop::collection::vec(0.0f64..=1.0, 1..20)) {
        let both = of_probabilities(&[a.clone(), b.clone()].concat()).unwrap();
        let (x, y) = (of_probabilities(&a).unwrap(), of_probabilities(&b).unwrap());
        for l in 0..=a.len() + b.len() {
            let sum: f64 = (0..=l).map(|i| x.pmf(i) * y.pmf(l - i)).sum();
            prop_assert!((both.pmf(l) - sum).abs() < 1e-13);
        }
    }

    #[test]
    fn quantile_inverts_the_law(n in 1usize..200, p in 0.01f64..0.99, q in 0.0f64..=1.0) {
        let law = Binomial::new(n, p).unwrap();
        let l = law.quantile(q).unwrap();
        prop_assert!(law.cdf(l) >= q);
        prop_assert!(l == 0 || law.cdf(l - 1) < q);
        let range = law.central_interval(q).unwrap();
        let inside: f64 = (range.first..=range.last).map(|l| law.pmf(l)).sum();
        prop_assert!(inside >= q - 1e-12);
    }

    #[test]
    fn equal_blocks_make_it_binomial(n in 1usize..80, p in 0.0f64..=1.0) {
        let (a, b) = (of_probabilities(&vec![p; n]).unwrap(), Binomial::new(n, p).unwrap());
        for l in 0..=n {
            prop_assert!((a.cdf(l) - b.cdf(l)).abs() < 1e-12 && (a.sf(l) - b.sf(l)).abs() < 1e-12);
        }
    }
}
