use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::seed::Seed;
use num_traits::ToPrimitive;
use proptest::prelude::*;

/// All orders within classes, by brute force over all permutations.
fn all_orders(classes: &[usize]) -> Vec<Vec<usize>> {
    let mut found = vec![vec![]];
    for &class in classes {
        found = found
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                let fits = |b: &usize| classes[*b] == class && !order.contains(b);
                let next: Vec<usize> = (0..classes.len()).filter(fits).collect();
                next.into_iter()
                    .map(move |block| [order.clone(), vec![block]].concat())
            })
            .collect();
    }
    found
}

fn brute_inversions(order: &[usize]) -> usize {
    (0..order.len())
        .map(|i| order[..i].iter().filter(|&&a| a > order[i]).count())
        .sum()
}

#[test]
fn every_order_at_a_tau_is_equally_likely() {
    let cases = [
        (vec![0; 5], 0.2, 0.0),
        (vec![0, 0, 0, 1, 1, 1], 0.6, 0.07),
        (vec![0; 4], -0.8, 0.3),
    ];
    for (classes, tau, tolerance) in cases {
        let space = OrderSpace::new(&classes).unwrap();
        let pairs = classes.len() * (classes.len() - 1) / 2;
        let wanted: Vec<_> = all_orders(&classes)
            .into_iter()
            .filter(|o| {
                let got = 1.0 - 2.0 * brute_inversions(o) as f64 / pairs as f64;
                (got - tau).abs() <= tolerance + 1e-9
            })
            .collect();
        let orders = space.at_tau(tau, tolerance, TauPairs::AllBlocks).unwrap();
        assert_eq!(orders.count().to_usize(), Some(wanted.len()));
        let mut random = Seed(3).stream("test", 0);
        let mut seen = BTreeMap::<Vec<usize>, f64>::new();
        let each = 2_000.0;
        for _ in 0..(each as usize * wanted.len()) {
            *seen.entry(orders.sample(&mut random).into()).or_default() += 1.0;
        }
        let all: BTreeSet<_> = wanted.iter().collect();
        assert!(seen.keys().eq(all));
        // Chi-square against uniform: mean + 5 standard deviations.
        let freedom = wanted.len() as f64 - 1.0;
        let square: f64 = seen.values().map(|c| (c - each).powi(2) / each).sum();
        assert!(
            square < freedom + 5.0 * (2.0 * freedom).sqrt(),
            "{square} for {freedom}"
        );
    }
}

#[test]
fn counts_are_the_mahonian_numbers() {
    // OEIS A008302, row of 5 elements: 1, 4, 9, 15, 20, 22, 20, 15, 9, 4, 1.
    let space = OrderSpace::new(&[7; 5]).unwrap();
    for (d, want) in [1u32, 4, 9, 15, 20, 22, 20, 15, 9, 4, 1]
        .into_iter()
        .enumerate()
    {
        let orders = space
            .at_tau(1.0 - d as f64 / 5.0, 0.0, TauPairs::AllBlocks)
            .unwrap();
        assert_eq!(orders.count(), BigUint::from(want));
    }
    let all = space.at_tau(0.0, 1.0, TauPairs::AllBlocks).unwrap();
    assert_eq!(all.count(), space.count());
}

#[test]
fn resnet_110_reaches_the_taus_of_veit() {
    let classes: Vec<usize> = (0..54).map(|block| block / 18).collect();
    let space = OrderSpace::new(&classes).unwrap();
    for tau in [0.98, 0.9, 0.84, 0.5] {
        let orders = space.at_tau(tau, 0.001, TauPairs::AllBlocks).unwrap();
        let order = orders.sample(&mut Seed(0).stream("test", 0));
        assert!((order.kendall_tau() - tau).abs() <= 0.001 + 1e-9);
        let mut places = order.as_slice().iter().zip(&classes);
        assert!(places.all(|(&b, &class)| classes[b] == class));
    }
    let error = space.at_tau(0.0, 0.01, TauPairs::AllBlocks).unwrap_err();
    let unreachable = matches!(error, PermutationError::Unreachable { .. });
    assert!(unreachable, "{error}");
    assert!(space.at_tau(0.0, 0.01, TauPairs::WithinClasses).is_ok());
}

#[test]
fn one_swap_is_uniform_over_pairs() {
    let space = OrderSpace::new(&[0, 1, 0, 0, 1, 2]).unwrap();
    assert_eq!(space.movable_pairs(), 4);
    let mut random = Seed(5).stream("test", 0);
    let mut seen = BTreeMap::<Vec<usize>, u32>::new();
    for _ in 0..8_000 {
        *seen
            .entry(space.random_swaps(1, &mut random).unwrap().into())
            .or_default() += 1;
    }
    assert_eq!(seen.len(), 4);
    assert!(
        seen.values().all(|&count| (1_800..2_200).contains(&count)),
        "{seen:?}"
    );
    for _ in 0..100 {
        let order = space.adjacent_swaps(1, &mut random).unwrap();
        let places = order.as_slice().iter().enumerate();
        assert_eq!(places.filter(|&(i, &b)| i != b).count(), 2);
    }
}

#[test]
fn fixed_orders() {
    let space = OrderSpace::new(&[0, 0, 0, 1, 1]).unwrap();
    assert_eq!(space.reversal().as_slice(), [2, 1, 0, 4, 3]);
    assert_eq!(space.rotation(1).as_slice(), [1, 2, 0, 4, 3]);
    assert_eq!(space.rotation(7).as_slice(), [1, 2, 0, 4, 3]);
    assert_eq!(space.identity().kendall_tau(), 1.0);
}

#[test]
fn refuse_what_has_no_answer() {
    assert_eq!(OrderSpace::new(&[]), Err(PermutationError::NoBlocks));
    let stuck = OrderSpace::new(&[0, 1]).unwrap();
    let swapped = stuck.random_swaps(1, &mut Seed(0).stream("test", 0));
    assert!(swapped.is_err());
    assert!(stuck.at_tau(1.0, 0.0, TauPairs::AllBlocks).is_err());
    let mixed = OrderSpace::new(&[0, 1, 0, 1]).unwrap();
    let error = mixed.at_tau(1.0, 0.0, TauPairs::AllBlocks).unwrap_err();
    assert_eq!(error, PermutationError::InterleavedClasses(0));
    assert!(mixed.at_tau(-1.0, 0.0, TauPairs::WithinClasses).is_ok());
    for (tau, tolerance) in [(f64::NAN, 0.0), (2.0, 0.0), (0.0, f64::NAN), (0.0, -1.0)] {
        let orders = mixed.at_tau(tau, tolerance, TauPairs::WithinClasses);
        assert!(orders.is_err());
    }
    assert!(BlockOrder::new(vec![0, 0]).is_err());
    assert!(BlockOrder::new(vec![0, 2]).is_err());
    let huge = OrderSpace::new(&[0; 3_000]).unwrap();
    assert!(matches!(
        huge.at_tau(0.0, 0.0, TauPairs::AllBlocks),
        Err(PermutationError::TooLarge { .. })
    ));
}

proptest! {
    #[test]
    fn every_draw_stays_in_its_class(classes in prop::collection::vec(0usize..4, 1..30), seed: u64) {
        let space = OrderSpace::new(&classes).unwrap();
        let mut random = Seed(seed).stream("test", 0);
        let mut orders = vec![space.uniform(&mut random), space.reversal(), space.rotation(3)];
        orders.extend(space.random_swaps(5, &mut random).ok());
        orders.extend(space.at_tau(0.1, 0.5, TauPairs::WithinClasses).map(|o| o.sample(&mut random)).ok());
        for order in orders {
            let order: Vec<usize> = order.into();
            prop_assert!(BlockOrder::new(order.clone()).is_ok());
            prop_assert!(order.iter().zip(&classes).all(|(&b, &class)| classes[b] == class));
        }
    }
}
