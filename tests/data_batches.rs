//! Data sets in memory, and the batches made of them.

use pathscope::data::{
    Augmentation, DataError, Dataset, ImageShape, Normalization, augmented_batch, normalized_batch,
    normalized_examples,
};
use proptest::prelude::*;

const SHAPE: ImageShape = ImageShape {
    channels: 3,
    height: 5,
    width: 6,
};

/// `count` images in which neighbouring images, channels and positions have different pixel
/// values; labels go 0, 1, 2, 0, ...
fn dataset(count: usize) -> Dataset {
    let pixels = (0..count * SHAPE.pixels())
        .map(|i| (1 + i * 37 % 251) as u8)
        .collect();
    let labels = (0..count).map(|i| (i % 3) as u16).collect();
    Dataset::new(SHAPE, pixels, labels, 3, "made up").unwrap()
}

/// Normalises, pads with zeros and crops, in the words of the definition.
fn pad_and_crop(image: &[f32], shift: usize, top: usize, left: usize, mirrored: bool) -> Vec<f32> {
    let ImageShape {
        channels,
        height,
        width,
    } = SHAPE;
    let (high, wide) = (height + 2 * shift, width + 2 * shift);
    let mut padded = vec![0.0; channels * high * wide];
    for c in 0..channels {
        for y in 0..height {
            for x in 0..width {
                let source = if mirrored { width - 1 - x } else { x };
                padded[(c * high + y + shift) * wide + x + shift] =
                    image[(c * height + y) * width + source];
            }
        }
    }
    let mut cropped = Vec::new();
    for c in 0..channels {
        for y in 0..height {
            for x in 0..width {
                cropped.push(padded[(c * high + y + top) * wide + x + left]);
            }
        }
    }
    cropped
}

#[test]
fn every_change_is_a_flip_and_a_crop_of_the_padded_image_and_all_occur_equally() {
    let dataset = dataset(4);
    let normalization = Normalization::preset("cifar10").unwrap();
    let augmentation = Augmentation {
        flip: true,
        shift: 1,
        ..Augmentation::NONE
    };
    let mut counts = [0usize; 18];
    for epoch in 0..450 {
        let batch = augmented_batch(
            &dataset,
            &[0, 1, 2, 3],
            &augmentation,
            &normalization,
            5,
            epoch,
        );
        for (index, changed) in batch.unwrap().chunks(SHAPE.pixels()).enumerate() {
            let plain = normalized_examples(&dataset, &[index], &normalization).unwrap();
            let place = (0..18).find(|&place| {
                let (top, left, mirrored) = (place / 6, place / 2 % 3, place % 2 == 1);
                pad_and_crop(&plain, 1, top, left, mirrored) == changed
            });
            counts[place.expect("no such change")] += 1;
        }
    }
    // 1,800 draws of 18 kinds: chi-squared with 17 degrees of freedom is above 40.8 once in 1,000.
    let chi = counts
        .iter()
        .map(|&n| (n as f64 - 100.0).powi(2) / 100.0)
        .sum::<f64>();
    assert!(chi < 40.8, "{chi}: {counts:?}");
}

#[test]
fn no_augmentation_is_plain_normalisation() {
    let dataset = dataset(3);
    let normalization = Normalization::preset("imagenet").unwrap();
    let none = augmented_batch(
        &dataset,
        &[0, 1, 2],
        &Augmentation::NONE,
        &normalization,
        1,
        1,
    )
    .unwrap();
    assert_eq!(
        none,
        normalized_batch(&dataset, 0..3, &normalization).unwrap()
    );
    let expected =
        (f32::from(dataset.pixels(1..2)[SHAPE.height * SHAPE.width]) / 255.0 - 0.456) / 0.224;
    assert_eq!(none[SHAPE.pixels() + SHAPE.height * SHAPE.width], expected);
}

#[test]
fn a_shift_beyond_the_image_leaves_zeros() {
    let dataset = dataset(1);
    let normalization = Normalization::preset("half").unwrap();
    let far = Augmentation {
        flip: false,
        shift: 1_000_000,
        ..Augmentation::NONE
    };
    let batch = augmented_batch(&dataset, &[0], &far, &normalization, 1, 1).unwrap();
    assert!(batch.iter().all(|&value| value == 0.0));
}

proptest! {
    #[test]
    fn an_example_changes_alike_in_any_batch(
        order in Just((0..9usize).collect::<Vec<_>>()).prop_shuffle(),
        seed: u64,
        epoch: u64,
    ) {
        let dataset = dataset(9);
        let normalization = Normalization::preset("none").unwrap();
        let batch = |indices: &[usize]| {
            augmented_batch(&dataset, indices, &Augmentation::default(), &normalization, seed, epoch)
                .unwrap()
        };
        let shuffled = batch(&order);
        for (position, &index) in order.iter().enumerate() {
            let alone = batch(&[index]);
            prop_assert_eq!(&shuffled[position * SHAPE.pixels()..][..SHAPE.pixels()], &alone[..]);
        }
    }

    #[test]
    fn held_out_examples_and_the_rest_are_all_examples_once(
        count in 1..40usize,
        share in 0.0..=1.0f64,
        seed: u64,
    ) {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let pixels: Vec<u8> = (0..count as u8).collect();
        let dataset = Dataset::new(shape, pixels.clone(), vec![0; count], 1, "").unwrap();
        let n = (share * count as f64) as usize;
        let (rest, out) = dataset.hold_out(n, seed).unwrap();
        prop_assert_eq!((rest.len(), out.len()), (count - n, n));
        prop_assert!(out.pixels(0..n).is_sorted() && rest.pixels(0..count).is_sorted());
        let mut all = [rest.pixels(0..count), out.pixels(0..count)].concat();
        all.sort();
        prop_assert_eq!(all, pixels);
        prop_assert_eq!(dataset.hold_out(n, seed).unwrap(), (rest, out));
    }
}

#[test]
fn seeds_epochs_and_examples_draw_differently() {
    let dataset = dataset(1).select(&[0; 40]).unwrap();
    let normalization = Normalization::preset("none").unwrap();
    let indices: Vec<usize> = (0..40).collect();
    let batch = |seed, epoch| {
        augmented_batch(
            &dataset,
            &indices,
            &Augmentation::default(),
            &normalization,
            seed,
            epoch,
        )
        .unwrap()
    };
    let first = batch(0, 0);
    assert_eq!(first, batch(0, 0));
    assert_ne!(first, batch(1, 0));
    assert_ne!(first, batch(0, 1));
    assert!(
        first
            .chunks(SHAPE.pixels())
            .any(|image| image != &first[..SHAPE.pixels()])
    );
}

#[test]
fn the_hash_depends_on_content_alone() {
    let shape = ImageShape {
        channels: 1,
        height: 1,
        width: 2,
    };
    let new = |pixels: Vec<u8>, labels, classes, text: &str| {
        Dataset::new(shape, pixels, labels, classes, text)
            .unwrap()
            .content_hash()
    };
    let hash = new(vec![0, 255, 7, 8], vec![1, 0], 2, "a");
    // python3 -c "import hashlib, struct; print(hashlib.sha256(struct.pack('<4Q', 2, 1, 1, 2)
    //   + struct.pack('<2H', 1, 0) + bytes([0, 255, 7, 8])).hexdigest())"
    assert_eq!(
        hash,
        "250a5999a0ab8efa6536b6e83fb9fa18c07918929edaa454c608f96b25d1f096"
    );
    assert_eq!(hash, new(vec![0, 255, 7, 8], vec![1, 0], 9, "b"));
    assert_ne!(hash, new(vec![0, 255, 7, 9], vec![1, 0], 2, "a"));
    assert_ne!(hash, new(vec![0, 255, 7, 8], vec![1, 1], 2, "a"));
}

#[test]
fn a_limit_takes_the_first_examples_but_spares_no_class() {
    assert_eq!(dataset(9).limit(4).labels(), [0, 1, 2, 0]);
    assert_eq!(dataset(9).limit(100).len(), 9);
    let by_class = dataset(9).select(&[0, 3, 6, 1, 4, 7, 2, 5, 8]).unwrap();
    assert_eq!(by_class.limit(3).labels(), [0, 1, 2]);
}

#[test]
fn splitting_keeps_order_and_everything_else() {
    let dataset = dataset(5).with_class_names(["a", "b", "c"].map(String::from).to_vec());
    let (head, tail) = dataset.split_at(2).unwrap();
    assert_eq!((head.len(), tail.len()), (2, 3));
    assert_eq!(tail.pixels(0..1), dataset.pixels(2..3));
    assert_eq!(tail.class_names(), dataset.class_names());
    assert!(dataset.split_at(5).unwrap().1.is_empty());
}

#[test]
fn what_does_not_fit_is_an_error() {
    let dataset = dataset(2);
    let grey = Normalization::preset("mnist").unwrap();
    let says = |result: Result<Vec<f32>, DataError>, part: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    says(
        normalized_batch(&dataset, 0..2, &grey),
        "1 channels, but the images have 3",
    );
    let none = Normalization::preset("none").unwrap();
    says(
        normalized_batch(&dataset, 1..3, &none),
        "example 2 was asked for, but there are 2",
    );
    says(
        augmented_batch(&dataset, &[9], &Augmentation::NONE, &none, 0, 0),
        "example 9",
    );
    assert!(dataset.select(&[2]).is_err());
    assert!(dataset.split_at(3).is_err());
    assert!(dataset.hold_out(3, 0).is_err());
    assert!(Dataset::new(SHAPE, vec![0; 7], vec![0], 1, "").is_err());
    assert!(Dataset::new(SHAPE, vec![0; 90], vec![1], 1, "").is_err());
    assert!(Dataset::new(SHAPE, vec![], vec![], 1, "").is_err());
}

#[test]
fn a_normalisation_survives_json_but_not_a_zero_deviation() {
    for name in Normalization::preset_names() {
        let preset = Normalization::preset(name).unwrap();
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(
            serde_json::from_str::<Normalization>(&text).unwrap(),
            preset
        );
    }
    let read = |text| serde_json::from_str::<Normalization>(text);
    assert!(read(r#"{"mean":[0.5],"standard_deviation":[0.0]}"#).is_err());
    assert!(read(r#"{"mean":[0.5,0.5],"standard_deviation":[1.0]}"#).is_err());
    assert!(read(r#"{"mean":[],"standard_deviation":[]}"#).is_err());
    let unknown = Normalization::preset("cifar11").unwrap_err().to_string();
    assert!(unknown.contains("cifar10, cifar100"), "{unknown}");
}
