//! Real data sets: what lies beside the project in `../shared`, and the package of Fashion-MNIST.

mod common;

use std::path::Path;

use common::shared;
use pathscope::data::{self, DataError, ReadRequest, Split};

const BINARY: &str = "data/cifar10/cifar-10-batches-bin";
const JPEG: &str = "data/cifar10/cifar10-jpeg.tar.gz";

mod needs_shared {
    use super::*;

    #[test]
    #[ignore = "needs ../shared"]
    fn cifar_binary_folder_has_all_records_of_each_split() -> Result<(), DataError> {
        let folder = shared(BINARY);
        let train = data::open(folder.as_ref(), &ReadRequest::new(Split::Train))?;
        assert_eq!(train.len(), 4000 + 4 * 1017);
        let test = data::open(folder.as_ref(), &ReadRequest::new(Split::Test))?;
        assert_eq!(
            (test.len(), test.classes(), test.split()),
            (1017, 10, Some(Split::Test))
        );
        assert_eq!(test.shape().to_string(), "3x32x32");
        assert_eq!(test.class_names()[3], "cat");
        // The well-known start of the test batch: cat, ship, ship, plane, frog, frog.
        assert_eq!(test.labels()[..6], [3, 8, 8, 0, 6, 6]);
        // head -c 3073 test_batch.bin | od -An -tu1 -w1 | sed -n '2,5p'
        assert_eq!(test.pixels(0..1)[..4], [158, 159, 165, 166]);
        let file = data::open(
            &Path::new(&folder).join("test_batch.bin"),
            &ReadRequest::new(Split::Test),
        )?;
        assert_eq!(file.content_hash(), test.content_hash());
        Ok(())
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn image_folder_archive_decodes_the_test_split() -> Result<(), DataError> {
        let archive = shared(JPEG);
        let test = data::open(archive.as_ref(), &ReadRequest::new(Split::Test))?;
        assert_eq!(
            (test.len(), test.classes(), test.split()),
            (10_000, 10, Some(Split::Test))
        );
        assert_eq!(test.shape().to_string(), "3x32x32");
        assert_eq!(test.class_names()[..2], ["airplane", "automobile"]);
        assert!((0..10).all(|class| test.labels().iter().filter(|&&l| l == class).count() == 1000));
        let few = data::open(
            archive.as_ref(),
            &ReadRequest {
                limit: Some(20),
                ..ReadRequest::new(Split::Test)
            },
        )?;
        assert_eq!(few.content_hash(), test.limit(20).content_hash());
        Ok(())
    }

    /// The JPEG copy holds the same images class by class: the ones of a class in the official order.
    #[test]
    #[ignore = "needs ../shared"]
    fn jpeg_images_are_the_lossless_ones_but_for_compression() -> Result<(), DataError> {
        let (archive, folder) = (shared(JPEG), shared(BINARY));
        let lossy = data::open(archive.as_ref(), &ReadRequest::new(Split::Test))?;
        let exact = data::open(folder.as_ref(), &ReadRequest::new(Split::Test))?;
        let mut seen = [0; 10];
        for (index, &label) in exact.labels().iter().enumerate() {
            let class = label as usize;
            let twin = class * 1000 + seen[class];
            seen[class] += 1;
            let pixels = exact
                .pixels(index..index + 1)
                .iter()
                .zip(lossy.pixels(twin..twin + 1));
            let difference: u32 = pixels.map(|(&a, &b)| u32::from(a.abs_diff(b))).sum();
            assert!(
                difference < 20 * 3072,
                "example {index}: {}",
                difference / 3072
            );
        }
        Ok(())
    }
}

mod needs_fashion_mnist {
    use super::*;

    #[test]
    #[ignore = "needs /usr/share/datasets/fashion-mnist"]
    fn fashion_mnist_package_opens_as_folder_and_as_file() -> Result<(), DataError> {
        let folder = Path::new("/usr/share/datasets/fashion-mnist");
        let test = data::open(folder, &ReadRequest::new(Split::Test))?;
        assert_eq!((test.len(), test.classes()), (10_000, 10));
        assert_eq!(test.shape().to_string(), "1x28x28");
        // zcat t10k-labels-idx1-ubyte.gz | tail -c +9 | head -c 6 | od -An -tu1
        assert_eq!(test.labels()[..6], [9, 2, 1, 1, 6, 1]);
        let train = data::open(
            &folder.join("train-images-idx3-ubyte.gz"),
            &ReadRequest::new(Split::Test),
        )?;
        assert_eq!((train.len(), train.split()), (60_000, Some(Split::Train)));
        // The published mean and deviation of the training set.
        let pixels = train.pixels(0..train.len());
        let mean = pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / pixels.len() as f64 / 255.0;
        assert!((mean - 0.2860).abs() < 5e-5, "{mean}");
        Ok(())
    }
}
