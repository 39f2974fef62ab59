//! What the exact mathematics costs at depths far beyond any network.

use criterion::{Criterion, criterion_group, criterion_main};
use pathscope_analysis::{
    Binomial, BootstrapOptions, LengthLaw, OrderSpace, PathPolynomial, Seed, TauPairs, kendall_tau,
    paired_bootstrap,
};
use std::hint::black_box;

fn multiplicity(criterion: &mut Criterion) {
    let network = PathPolynomial::uniform(10_000, 8).expect("valid");
    let mut group = criterion.benchmark_group("n = 10,000, k = 8");
    group.sample_size(10);
    group.bench_function("exact counts", |bench| {
        bench.iter(|| black_box(&network).counts())
    });
    let law = Binomial::of_path_lengths(10_000, 8).expect("valid");
    group.bench_function("full law", |bench| {
        bench.iter(|| black_box(&law).probabilities())
    });
    let functions: Vec<usize> = (0..10_000).map(|block| 1 + block % 8).collect();
    let functions = PathPolynomial::new(&functions).expect("valid");
    group.bench_function("unequal blocks", |bench| {
        bench.iter(|| black_box(&functions).decayed(1.0))
    });
    group.finish();
    let unequal: Vec<usize> = (0..1_000).map(|block| 1 + block % 5).collect();
    let unequal = PathPolynomial::new(&unequal).expect("valid");
    criterion.bench_function("1,000 unequal blocks: exact counts", |bench| {
        bench.iter(|| black_box(&unequal).counts())
    });
}

fn sampling(criterion: &mut Criterion) {
    let classes: Vec<usize> = (0..54).map(|block| block / 18).collect();
    let space = OrderSpace::new(&classes).expect("valid");
    criterion.bench_function("54 blocks: counts at tau 0.8", |bench| {
        bench.iter(|| black_box(&space).at_tau(0.8, 0.005, TauPairs::AllBlocks))
    });
    let orders = space
        .at_tau(0.8, 0.005, TauPairs::AllBlocks)
        .expect("reachable");
    let mut random = Seed(0).stream("bench", 0);
    criterion.bench_function("54 blocks: one order", |bench| {
        bench.iter(|| orders.sample(&mut random))
    });
    let network = PathPolynomial::new(&[1, 2, 4].repeat(18)).expect("valid");
    let paths = network.paths_of_length(20).expect("reachable");
    criterion.bench_function("54 unequal blocks: one path", |bench| {
        bench.iter(|| paths.sample(&mut random))
    });
}

fn statistics(criterion: &mut Criterion) {
    let first: Vec<f64> = (0..1_017)
        .map(|i| f64::from(u8::from(i % 14 == 0)))
        .collect();
    let second: Vec<f64> = (0..1_017)
        .map(|i| f64::from(u8::from(i % 11 == 0)))
        .collect();
    criterion.bench_function("paired BCa bootstrap, 1,017 examples", |bench| {
        let options = BootstrapOptions::default();
        bench.iter(|| paired_bootstrap(black_box(&first), &second, &options))
    });
    let ranks: Vec<f64> = (0..100_000)
        .map(|i| f64::from(i * 7_919 % 100_003))
        .collect();
    let order: Vec<f64> = (0..100_000).map(f64::from).collect();
    criterion.bench_function("Kendall tau of 100,000", |bench| {
        bench.iter(|| kendall_tau(black_box(&order), &ranks))
    });
}

criterion_group!(benches, multiplicity, sampling, statistics);
criterion_main!(benches);
