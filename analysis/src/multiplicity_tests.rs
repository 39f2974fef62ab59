use super::*;
use proptest::prelude::*;

/// Counts of all choices by walking through each of them.
fn brute_force(blocks: usize, functions: usize) -> (u64, Vec<u64>) {
    let base = functions as u64 + 1;
    let total = base.pow(blocks as u32);
    let mut counts = vec![0; blocks + 1];
    for path in 0..total {
        let (mut rest, mut length) = (path, 0);
        while rest > 0 {
            length += usize::from(rest % base != 0);
            rest /= base;
        }
        counts[length] += 1;
    }
    (total, counts)
}

#[test]
fn agree_with_brute_force_below_a_million_paths() {
    // Every n and k with (k + 1)^n < 10^6; for n = 1, where walking is counting to k, 1,000 of k.
    for blocks in 1..20 {
        for functions in 1.. {
            let paths = (functions as u64 + 1).checked_pow(blocks as u32);
            let small = paths.is_some_and(|paths| paths < 1_000_000);
            if !small || (blocks == 1 && functions > 1_000) {
                break;
            }
            let network = PathPolynomial::uniform(blocks, functions).unwrap();
            let (total, counts) = brute_force(blocks, functions);
            assert_eq!(network.paths(), total.into());
            let counts: Vec<BigUint> = counts.into_iter().map(BigUint::from).collect();
            assert_eq!(network.counts(), counts, "n = {blocks}, k = {functions}");
        }
    }
}

#[test]
fn statements_of_the_paper() {
    // Figure: one block with k = 2 has 4 configurations, and 3 paths as terms of the gradient.
    // k = 2, n = 3: 2^(2*3) configurations against 3^3 paths.
    for (blocks, configurations, paths) in [(1, 4u32, 3u32), (3, 64, 27)] {
        let network = PathPolynomial::uniform(blocks, 2).unwrap();
        assert_eq!(network.configurations(), configurations.into());
        assert_eq!(network.paths(), paths.into());
    }
    // 110 layers are 54 modules of two; 10 to 34 layers are 5 to 17 modules and 0.45 % of paths.
    let modules = PathPolynomial::uniform(54, 1).unwrap();
    let share = modules.share(LengthRange { first: 5, last: 17 }).unwrap();
    // sum(comb(54, l) for l in range(5, 18)) / 2**54, Python
    assert!((share - 0.004536670150778743).abs() < 1e-15, "{share}");
    let basic = BlockPaths::new(Some(0), vec![2]);
    let layers = PathPolynomial::with_lengths(vec![basic; 54]).unwrap();
    assert_eq!(layers.longest(), 108);
    let (first, last) = (10, 34);
    assert_eq!(layers.share(LengthRange { first, last }), Ok(share));
}

#[test]
fn deep_networks_do_not_overflow() {
    let deep = PathPolynomial::uniform(10_000, 8).unwrap();
    assert!((deep.log10_paths() - 10_000.0 * 9f64.log10()).abs() < 1e-9);
    assert!((deep.log10_configurations() - 80_000.0 * 2f64.log10()).abs() < 1e-9);
    let counts = deep.counts();
    assert_eq!(counts.iter().sum::<BigUint>(), deep.paths());
    assert!((deep.shares().iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn deletion_keeps_the_skip() {
    let network = PathPolynomial::new(&[2, 3, 1]).unwrap();
    let fewer = network
        .clone()
        .without_functions(&[(1, 0), (1, 2), (1, 0)])
        .unwrap();
    assert_eq!(fewer, PathPolynomial::new(&[2, 1, 1]).unwrap());
    let none = network.clone().without_blocks(&[0, 1, 2]).unwrap();
    assert_eq!(none.configurations(), BigUint::one());
    assert_eq!(
        (none.paths(), none.counts()),
        (BigUint::one(), vec![BigUint::one()])
    );
    assert!(network.clone().without_blocks(&[3]).is_err());
    assert!(network.without_functions(&[(2, 1)]).is_err());
}

#[test]
fn refuse_what_has_no_answer() {
    assert_eq!(PathPolynomial::new(&[]), Err(MultiplicityError::NoBlocks));
    let refusal = |blocks, functions| PathPolynomial::uniform(blocks, functions).unwrap_err();
    assert_eq!(refusal(0, 1), MultiplicityError::NoBlocks);
    assert_eq!(refusal(3, 0), MultiplicityError::NoFunctions);
    assert!(PathPolynomial::uniform(usize::MAX, 2).is_err());
    assert!(PathPolynomial::new(&[usize::MAX, usize::MAX]).is_err());
    let huge = BlockPaths::new(Some(usize::MAX), vec![1]);
    assert!(PathPolynomial::with_lengths(vec![huge; 2]).is_err());
    let network = PathPolynomial::uniform(3, 1).unwrap();
    let share = |first, last| network.share(LengthRange { first, last });
    assert!(share(2, 1).is_err());
    assert_eq!(share(0, usize::MAX), Ok(1.0));
    assert_eq!(share(9, 9), Ok(0.0));
}

/// PolyNet's second-order block (Zhang et al., arXiv 1611.05725) 10,000 times: the coefficients of
/// `(1 + z + z^2)^n` are the same from both ends and sum up to 3^n.
#[test]
fn ten_thousand_second_order_blocks() {
    let block = BlockPaths::new(Some(0), vec![1, 2]);
    let network = PathPolynomial::with_lengths(vec![block; 10_000]).unwrap();
    let counts = network.counts();
    assert_eq!(counts.len(), 20_001);
    assert!(counts.iter().eq(counts.iter().rev()));
    assert_eq!(counts.iter().sum::<BigUint>(), network.paths());
    // n blocks with one function each, or one block with both: n (n + 1) / 2 ways of length 2.
    assert_eq!(counts[2], BigUint::from(10_000u32 * 10_001 / 2));
}

/// Blocks of any polynomials: up to three functions of order 1 to 3, most of them beside a skip.
fn any_blocks() -> impl Strategy<Value = Vec<BlockPaths>> {
    let functions = |count| prop::collection::vec(1usize..4, count);
    let block = prop_oneof![
        3 => ((0usize..2).prop_map(Some), functions(0..4)),
        1 => (Just(None), functions(1..4)),
    ];
    let block = block.prop_map(|(skip, functions)| BlockPaths::new(skip, functions));
    prop::collection::vec(block, 1..6).prop_filter("no function", |all| {
        all.iter().any(|block| !block.functions.is_empty())
    })
}

/// A fractal block of `columns` columns as steps that carry their values side by side, four channels
/// each: column c reads the value that was made 2^c steps before, and a skip keeps what is still needed.
fn fractal(columns: u32) -> Vec<BlockPaths> {
    let channels = |first: usize, count: usize| Channels {
        first: 4 * first,
        count: 4 * count,
    };
    let passage = |takes, gives, mixes| Passage {
        takes,
        gives,
        mixes,
    };
    let last = 1usize << (columns - 1);
    // The steps that made the values that are carried, 0 for the block's input.
    let mut carried = vec![0];
    let block = |step: usize| {
        let place = |made: usize| carried.iter().position(|&other| other == made).unwrap();
        let sources = (0..=step.trailing_zeros()).map(|column| place(step - (1 << column)));
        let sources: Vec<usize> = sources.collect();
        // Column c reads at the next multiple of 2^c what was made at the one before.
        let needed = |made: &usize| step < last && (0..columns).any(|c| step >> c << c == *made);
        carried.retain(needed);
        let kept = carried.len();
        carried.push(step);
        let skip = (kept > 0).then_some(0);
        let keeps = skip.map(|_| passage(channels(0, kept), channels(0, kept), false));
        let takes = sources.iter().map(|&place| channels(place, 1));
        let functions = takes.map(|takes| passage(takes, channels(kept, 1), true));
        BlockPaths {
            skip,
            functions: vec![1; sources.len()],
            passages: keeps.into_iter().chain(functions).collect(),
        }
    };
    (1..=last).map(block).collect()
}

/// `P_1 = z`, `P_(c + 1) = z + P_c^2` (Larsson et al., arXiv 1605.07648, equations 1 and 2).
#[test]
fn fractal_blocks_have_their_polynomials() {
    let mut expected = vec![0u64, 1];
    for columns in 1..=4 {
        let network = PathPolynomial::with_lengths(fractal(columns)).unwrap();
        let counts: Vec<BigUint> = expected.iter().copied().map(BigUint::from).collect();
        assert_eq!(network.counts(), counts);
        assert_eq!(network.paths(), counts.iter().sum::<BigUint>());
        assert_eq!(network.longest(), 1 << (columns - 1));
        let found: Vec<_> = network.enumerate().collect();
        assert_eq!(BigUint::from(found.len()), network.paths());
        let law = network.decayed(1.0).unwrap();
        for (length, share) in network.shares().iter().enumerate() {
            assert!((crate::LengthLaw::pmf(&law, length) - share).abs() < 1e-15);
        }
        let mut next = vec![0; 2 * expected.len() - 1];
        for (i, a) in expected.iter().enumerate() {
            for (j, b) in expected.iter().enumerate() {
                next[i + j] += a * b;
            }
        }
        next[1] += 1;
        expected = next;
    }
    // Without the column of one function that spans the block there is one path less.
    let without = PathPolynomial::with_lengths(fractal(3)).unwrap();
    let without = without.without_functions(&[(3, 2)]).unwrap();
    assert_eq!(without.counts()[1], BigUint::ZERO);
    assert_eq!(without.paths(), BigUint::from(4u32));
    let mut incomplete = fractal(2);
    incomplete[0].passages.pop();
    let error = PathPolynomial::with_lengths(incomplete).unwrap_err();
    assert!(matches!(
        error,
        MultiplicityError::Passages { block: 0, .. }
    ));
}

proptest! {
    #[test]
    fn any_polynomials_agree_with_enumeration(blocks in any_blocks(), rho in 0.0f64..2.0) {
        let network = PathPolynomial::with_lengths(blocks.clone()).unwrap();
        let mut counts = vec![0u32; network.longest() + 1];
        let mut weights = vec![0.0; network.longest() + 1];
        for path in network.enumerate() {
            let length = network.length_of(&path);
            counts[length] += 1;
            // The shortest way through each block is on every path.
            let shortest = |block: &BlockPaths| block.lengths().min().unwrap();
            let common: usize = blocks.iter().map(shortest).sum();
            weights[length] += rho.powi((length - common) as i32);
        }
        let all: f64 = weights.iter().sum();
        let law = network.decayed(rho).unwrap();
        for (length, weight) in weights.iter().enumerate() {
            prop_assert!((crate::LengthLaw::pmf(&law, length) - weight / all).abs() < 1e-12);
        }
        let counts: Vec<BigUint> = counts.into_iter().map(BigUint::from).collect();
        prop_assert_eq!(network.counts(), counts);
        prop_assert_eq!(network.paths(), network.counts().iter().sum::<BigUint>());
    }

    #[test]
    fn powers_of_many_terms_agree_with_products(functions in prop::collection::vec(1usize..5, 2..5), skip in 0usize..3, times in 1usize..9) {
        let block = BlockPaths::new(Some(skip), functions);
        let terms = terms(&block);
        let product = (0..times).fold(vec![BigUint::one()], |counts, _| multiply(&counts, &terms));
        let mut power = power(&terms, times);
        power.resize(product.len(), BigUint::zero());
        prop_assert_eq!(power, product);
    }

    #[test]
    fn unequal_blocks_agree_with_enumeration(functions in prop::collection::vec(0usize..4, 1..7)) {
        prop_assume!(functions.iter().any(|&k| k > 0));
        let network = PathPolynomial::new(&functions).unwrap();
        let mut counts = vec![0u32; network.longest() + 1];
        for path in network.enumerate() {
            counts[path.length()] += 1;
        }
        let counts: Vec<BigUint> = counts.into_iter().map(BigUint::from).collect();
        prop_assert_eq!(network.counts(), counts);
    }

    #[test]
    fn joining_networks_convolves_counts(a in prop::collection::vec(1usize..5, 1..9), b in prop::collection::vec(1usize..5, 1..9)) {
        let joined = PathPolynomial::new(&[a.clone(), b.clone()].concat()).unwrap().counts();
        let (a, b) = (PathPolynomial::new(&a).unwrap().counts(), PathPolynomial::new(&b).unwrap().counts());
        let mut convolved = vec![BigUint::zero(); joined.len()];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                convolved[i + j] += x * y;
            }
        }
        prop_assert_eq!(joined, convolved);
    }

    #[test]
    fn one_function_per_block_is_symmetric(blocks in 1usize..200) {
        let counts = PathPolynomial::uniform(blocks, 1).unwrap().counts();
        prop_assert!(counts.iter().eq(counts.iter().rev()));
    }
}
