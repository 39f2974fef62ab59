use tch::{Device, Kind, Tensor};

use super::TrainingError;
use pathscope_data::{Augmentation, Change, Dataset, Normalization};

/// The images of a data set on a device, where mini-batches are mirrored, shifted and normalised
/// to the same values that [`pathscope_data::augmented_batch`] gives.
#[derive(Debug)]
pub(super) struct Store {
    /// `[N (H + 2s) (W + 2s), C]`: a row for each pixel, its bytes as whole numbers; around every
    /// image a border of [`OUTSIDE`] as wide as the furthest shift s.
    pixels: Tensor,
    /// `[257 C]`: the value of each byte and of the border, channel after channel.
    values: Tensor,
    /// `[C]`: where the values of each channel begin.
    channels: Tensor,
    /// `[1, H, 1]` and `[1, 1, W]`: how far rows and columns lie from the first.
    rows: Tensor,
    columns: Tensor,
    frame: Frame,
}

/// Sizes of an image with its border, in pixels.
#[derive(Clone, Copy, Debug)]
struct Frame {
    height: i64,
    width: i64,
    border: i64,
}

/// What stands for the border among bytes: the mean colour, zero once normalised.
const OUTSIDE: i64 = 256;
const BYTES: i64 = OUTSIDE + 1;

/// Bytes up to which a data set is kept on the device, borders included.
const ROOM: i64 = 4 << 30;

impl Store {
    /// The images of `data` on `device`, for batches in `kind`; `None` where `augmentation`
    /// changes more than places, or where there are too many.
    ///
    /// # Errors
    /// A normalisation that does not fit, or where libtorch refuses.
    pub fn new(
        data: &Dataset,
        augmentation: &Augmentation,
        normalization: &Normalization,
        kind: Kind,
        device: Device,
    ) -> Result<Option<Self>, TrainingError> {
        data.require_pixels()?;
        let shape = data.shape();
        let [channels, height, width] = shape.axes();
        let [examples, border] = [data.len(), augmentation.shift].map(|length| length as i64);
        let frame = Frame {
            height: height + 2 * border,
            width: width + 2 * border,
            border,
        };
        let size = examples * frame.height * frame.width * channels * 2;
        if !augmentation.only_moves() || size > ROOM {
            return Ok(None);
        }
        let pixels = Tensor::f_from_slice(data.pixels(0..data.len()))?
            .f_to_device(device)?
            .f_view([examples, channels, height, width])?
            .f_permute([0, 2, 3, 1])?
            .f_to_kind(Kind::Int16)?
            .f_pad(
                [0, 0, border, border, border, border],
                "constant",
                OUTSIDE as f64,
            )?;
        let mut values = Vec::new();
        for table in normalization.tables(shape)? {
            values.extend(table);
            values.push(0.0);
        }
        let range = |count: i64| Tensor::f_arange(count, (Kind::Int64, device));
        Ok(Some(Self {
            pixels: pixels.f_reshape([-1, channels])?,
            values: Tensor::f_from_slice(&values)?
                .f_to_device(device)?
                .f_to_kind(kind)?,
            channels: range(channels)?.f_mul_scalar(BYTES)?,
            rows: range(height)?
                .f_mul_scalar(frame.width)?
                .f_view([1, -1, 1])?,
            columns: range(width)?.f_view([1, 1, -1])?,
            frame,
        }))
    }

    /// Where the first pixel of a changed image lies among the rows of the store, and whether the
    /// next one lies after it (1) or before it (-1).
    pub fn place(&self, example: usize, change: &Change) -> (i64, i64) {
        let Frame {
            height,
            width,
            border,
        } = self.frame;
        let (down, right) = (change.down as i64, change.right as i64);
        let inner = width - 2 * border;
        let row = example as i64 * height + border - down;
        let (column, direction) = match change.mirrored {
            false => (border - right, 1),
            true => (border + inner - 1 + right, -1),
        };
        (row * width + column, direction)
    }

    /// The images `[N, C, H, W]`, channels last, at the places `[N]` with the directions `[N]`.
    pub fn images(&self, places: &Tensor, directions: &Tensor) -> Result<Tensor, TrainingError> {
        let each = |tensor: &Tensor| tensor.f_view([-1, 1, 1]);
        let columns = self.columns.f_mul(&each(directions)?)?;
        let pixels = each(places)?.f_add(&self.rows)?.f_add(&columns)?;
        let bytes = self.pixels.f_index_select(0, &pixels.f_flatten(0, -1)?)?;
        let values = bytes.f_add(&self.channels)?.f_flatten(0, -1)?;
        let mut size = pixels.size();
        size.push(-1);
        Ok(self
            .values
            .f_index_select(0, &values)?
            .f_view(size.as_slice())?
            .f_permute([0, 3, 1, 2])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathscope_data::{ImageShape, augmented_batch};

    fn store(data: &Dataset, augmentation: &Augmentation) -> Option<Store> {
        let normalization = Normalization::preset("cifar10").unwrap();
        let (kind, device) = (Kind::Float, Device::Cpu);
        Store::new(data, augmentation, &normalization, kind, device).unwrap()
    }

    #[test]
    fn the_device_changes_images_as_the_cpu_does() {
        let shape = ImageShape {
            channels: 3,
            height: 5,
            width: 7,
        };
        let pixels = (0..6 * shape.pixels())
            .map(|place| (place * 37 % 256) as u8)
            .collect();
        let data = Dataset::new(shape, pixels, vec![0, 1, 2, 3, 0, 1], 4, "made up").unwrap();
        let normalization = Normalization::preset("cifar10").unwrap();
        for augmentation in [
            Augmentation::NONE,
            Augmentation::default(),
            Augmentation {
                shift: 9,
                ..Augmentation::default()
            },
        ] {
            let store = store(&data, &augmentation).unwrap();
            for epoch in 0..4 {
                let indices = [5, 0, 3, 3];
                let places = Change::of(&indices, &augmentation, 11, epoch);
                let places = indices.iter().zip(&places);
                let places = places.map(|(&index, change)| store.place(index, change));
                let (places, directions): (Vec<i64>, Vec<i64>) = places.unzip();
                let [places, directions] = [places, directions].map(|n| Tensor::from_slice(&n));
                let here = store.images(&places, &directions).unwrap();
                let there =
                    augmented_batch(&data, &indices, &augmentation, &normalization, 11, epoch);
                let there = Tensor::from_slice(&there.unwrap()).view([4, 3, 5, 7]);
                assert_eq!(here, there, "{augmentation:?}");
            }
        }
    }

    #[test]
    fn changes_of_colour_are_left_to_the_cpu() {
        let shape = ImageShape {
            channels: 3,
            height: 2,
            width: 2,
        };
        let data = Dataset::new(shape, vec![0; 12], vec![0], 1, "made up").unwrap();
        let augmentation = Augmentation {
            colour: 0.4,
            ..Augmentation::NONE
        };
        assert!(store(&data, &augmentation).is_none());
    }
}
