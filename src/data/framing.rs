//! Bringing an image to the size that a network takes: scale, then cut around the centre.

use super::resample::{Interpolation, Picture};
use serde::{Deserialize, Serialize};

/// How an image is scaled before it is cut, around its centre, to the size that a network takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framing {
    /// How far it is scaled.
    pub scale: Scale,
    /// How pixels between pixels are computed.
    pub interpolation: Interpolation,
}

/// How far an image is scaled before it is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Until it just covers the size.
    #[default]
    Cover,
    /// Until its shorter side has so many pixels, as `torchvision.transforms.Resize(N)` does; 256
    /// with a size of 224 x 224 is the usual evaluation on ImageNet. Where that does not cover the
    /// size, as [`Cover`](Self::Cover).
    ShorterSide(usize),
    /// To exactly the size, whatever that does to its aspect.
    Exact,
}

impl Framing {
    /// What is done to images before they are cut to `(height, width)`, in words; `None` where they
    /// are only scaled until they cover it.
    pub(super) fn described(self, (height, width): (usize, usize)) -> Option<String> {
        let interpolation = match self.interpolation {
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
        };
        match self.scale {
            Scale::Cover => None,
            Scale::ShorterSide(side) => Some(format!(
                "scaled to a shorter side of {side} ({interpolation}) and cut to {width}x{height}"
            )),
            Scale::Exact => Some(format!("scaled to {width}x{height} ({interpolation})")),
        }
    }

    /// Scales and cuts an image to `(height, width)`.
    pub(super) fn apply(self, image: Picture, (height, width): (usize, usize)) -> Picture {
        let (wide, high) = self.scaled((image.width, image.height), (width, height));
        let columns = centred(wide, width);
        let rows = centred(high, height);
        let (columns, rows) = (columns..columns + width, rows..rows + height);
        if (wide, high) != (image.width, image.height) {
            image.scaled((wide, high), columns, rows, self.interpolation)
        } else if (wide, high) != (width, height) {
            image.part(columns, rows)
        } else {
            image
        }
    }

    /// Width and height to which an image is scaled that has those of `from`, before it is cut to
    /// those of `to`.
    fn scaled(self, from: (usize, usize), to: (usize, usize)) -> (usize, usize) {
        let cover = || {
            let ratio = |to: usize, from: usize| to as f64 / from as f64;
            let scale = ratio(to.0, from.0).max(ratio(to.1, from.1));
            let side =
                |from: usize, least: usize| ((from as f64 * scale).round() as usize).max(least);
            (side(from.0, to.0), side(from.1, to.1))
        };
        match self.scale {
            Scale::Cover => cover(),
            Scale::Exact => to,
            Scale::ShorterSide(side) => {
                let shorter = from.0.min(from.1);
                // The longer side is rounded down, as torchvision does.
                let scale = |from: usize| from.saturating_mul(side) / shorter.max(1);
                let scaled = (scale(from.0), scale(from.1));
                match scaled.0 >= to.0 && scaled.1 >= to.1 {
                    true => scaled,
                    false => cover(),
                }
            }
        }
    }
}

/// Where a cut around the centre begins: as torchvision, halves are rounded to the even number.
fn centred(whole: usize, part: usize) -> usize {
    let around = whole - part;
    let half = around / 2;
    half + (around % 2) * (half % 2)
}
