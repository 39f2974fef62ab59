//! What the JSON files of a folder say of the images that its network takes.

use serde_json::Value;

use crate::{Fault, Model};
use pathscope_data::{Framing, Interpolation, Normalization, Scale};

/// How images are prepared for a network.
#[derive(Debug, Default)]
pub(super) struct Preparation {
    /// Height and width of the input.
    pub size: Option<(i64, i64)>,
    pub framing: Option<Framing>,
    pub normalization: Option<Normalization>,
}

/// Below this size, networks of the ConvNeXt kind are shown a centre crop.
const CROPPED_BELOW: i64 = 384;

impl Preparation {
    /// Reads what transformers wrote in `preprocessor_config.json`, or timm in `config.json`.
    ///
    /// # Errors
    /// A preparation that is not supported, named.
    pub fn of(config: &Value, preprocessor: Option<&Value>) -> Result<Self, Fault> {
        let unsupported = Fault::Preparation;
        match (config.get("pretrained_cfg"), preprocessor) {
            (Some(timm), _) if timm.is_object() => of_timm(timm).map_err(unsupported),
            (_, Some(preprocessor)) => of_transformers(preprocessor).map_err(unsupported),
            _ => Ok(Self::default()),
        }
    }

    /// Writes what is known into the card of a model.
    pub fn describe(self, model: &mut Model) {
        let card = &mut model.card;
        if let Some((height, width)) = self.size {
            (card.input.height, card.input.width) = (height, width);
        }
        if self.framing.is_some() {
            card.framing = self.framing;
        }
        if let Some(normalization) = self.normalization {
            model.normalize_by(normalization);
        }
    }
}

fn of_timm(config: &Value) -> Result<Preparation, String> {
    let sizes = config.get("input_size").and_then(Value::as_array);
    let size = |axis: usize| side(sizes.and_then(|sizes| sizes.get(axis)));
    let Some(size) = size(1).zip(size(2)) else {
        return Ok(Preparation::default());
    };
    let share = config.get("crop_pct").and_then(Value::as_f64);
    let share = share.unwrap_or(0.875);
    let mode = config.get("crop_mode").and_then(Value::as_str);
    let scale = match mode.unwrap_or("center") {
        "center" if size.0 == size.1 => shorter_side(size.0, share)?,
        "squash" if share == 1.0 => Scale::Exact,
        mode => return Err(format!("the crop mode `{mode}` for {}x{}", size.1, size.0)),
    };
    let interpolation = match config.get("interpolation").and_then(Value::as_str) {
        None | Some("bilinear") => Interpolation::Bilinear,
        Some("bicubic") => Interpolation::Bicubic,
        Some(other) => return Err(format!("the interpolation `{other}`")),
    };
    Ok(Preparation {
        size: Some(size),
        framing: Some(Framing {
            scale,
            interpolation,
        }),
        normalization: normalization(config, "mean", "std")?,
    })
}

fn of_transformers(config: &Value) -> Result<Preparation, String> {
    let is = |key: &str| config.get(key).and_then(Value::as_bool);
    let factor = config.get("rescale_factor").and_then(Value::as_f64);
    let rescaled = factor.is_none_or(|factor| (factor * 255.0 - 1.0).abs() < 1e-6);
    if is("do_rescale") == Some(false) || !rescaled {
        return Err("pixels that are not divided by 255".into());
    }
    let normalization = match is("do_normalize") {
        Some(false) => Some(Normalization::preset("none").map_err(|error| error.to_string())?),
        _ => normalization(config, "image_mean", "image_std")?,
    };
    let wanted = config.get("size");
    if is("do_resize") == Some(false) || wanted.is_none() {
        return Ok(Preparation {
            normalization,
            ..Preparation::default()
        });
    }
    let interpolation = match config.get("resample").and_then(Value::as_i64) {
        None | Some(2) => Interpolation::Bilinear,
        Some(3) => Interpolation::Bicubic,
        Some(other) => return Err(format!("Pillow's interpolation number {other}")),
    };
    let shorter = side(wanted.and_then(|size| size.get("shortest_edge")).or(wanted));
    let kind = ["image_processor_type", "feature_extractor_type"];
    let kind = kind.iter().find_map(|key| config.get(key)?.as_str());
    let cropped = is("do_center_crop") == Some(true);
    let (size, scale) = match (shorter, both(wanted), both(config.get("crop_size"))) {
        (Some(side), ..) if kind.is_some_and(|kind| kind.starts_with("ConvNext")) => {
            let share = config.get("crop_pct").and_then(Value::as_f64);
            let scale = match side < CROPPED_BELOW {
                true => shorter_side(side, share.unwrap_or(224.0 / 256.0))?,
                false => Scale::Exact,
            };
            ((side, side), scale)
        }
        (Some(side), _, Some(crop)) if cropped => (crop, shorter_side(side, 1.0)?),
        (_, Some(size), _) if !cropped => (size, Scale::Exact),
        _ => return Err("its combination of `size` and `crop_size`".into()),
    };
    Ok(Preparation {
        size: Some(size),
        framing: Some(Framing {
            scale,
            interpolation,
        }),
        normalization,
    })
}

/// A length in pixels.
fn side(value: Option<&Value>) -> Option<i64> {
    const LONGEST: i64 = 1 << 15;
    let side = value?.as_i64()?;
    (1..=LONGEST).contains(&side).then_some(side)
}

/// Height and width, where both are stated, or one number for both.
fn both(value: Option<&Value>) -> Option<(i64, i64)> {
    let of = |key: &str| side(value?.get(key));
    of("height")
        .zip(of("width"))
        .or_else(|| Some((side(value)?, side(value)?)))
}

/// The shorter side of which `side` is a share, rounded down.
fn shorter_side(side: i64, share: f64) -> Result<Scale, String> {
    if !(share > 0.1 && share <= 1.0) {
        return Err(format!("the crop fraction {share}"));
    }
    Ok(Scale::ShorterSide((side as f64 / share) as usize))
}

fn normalization(
    config: &Value,
    mean: &str,
    deviation: &str,
) -> Result<Option<Normalization>, String> {
    let list = |key: &str| -> Option<Vec<f32>> {
        let values = config.get(key)?.as_array()?.iter();
        values.map(|value| Some(value.as_f64()? as f32)).collect()
    };
    let pair = list(mean).zip(list(deviation));
    pair.map(|(mean, deviation)| Normalization::new(mean, deviation))
        .transpose()
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `timm.data.create_transform(**resolve_data_config({}, model=...))` prints the shorter side
    /// and the crop: timm 1.0.31.
    #[test]
    fn timm_s_crop_fraction_is_of_the_shorter_side() {
        for (side, share, shorter) in [(224, 0.875, 256), (224, 0.95, 235), (288, 1.0, 288)] {
            let config = json!({"pretrained_cfg": {
                "input_size": [3, side, side], "crop_pct": share, "interpolation": "bicubic",
                "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
            }});
            let found = Preparation::of(&config, None).unwrap();
            let framing = Framing {
                scale: Scale::ShorterSide(shorter),
                interpolation: Interpolation::Bicubic,
            };
            assert_eq!(
                (found.size, found.framing),
                (Some((side, side)), Some(framing))
            );
            let normalization = found.normalization.unwrap();
            assert_eq!(normalization.standard_deviation(), [0.25; 3]);
        }
    }

    #[test]
    fn transformers_crops_or_squeezes_by_the_kind_of_its_processor() {
        let of = |processor: Value| Preparation::of(&json!({}), Some(&processor));
        let scale = |processor: Value| of(processor).unwrap().framing.unwrap().scale;
        let kind = "ConvNextFeatureExtractor";
        let shorter = Scale::ShorterSide(256);
        assert_eq!(
            scale(json!({"feature_extractor_type": kind, "size": 224, "crop_pct": 0.875})),
            shorter
        );
        let large = json!({"feature_extractor_type": kind, "size": {"shortest_edge": 384}});
        assert_eq!(scale(large), Scale::Exact);
        let cut = json!({"size": {"shortest_edge": 256}, "do_center_crop": true,
            "crop_size": {"height": 224, "width": 224}});
        assert_eq!(of(cut.clone()).unwrap().size, Some((224, 224)));
        assert_eq!(scale(cut), shorter);
        assert_eq!(
            scale(json!({"size": {"height": 224, "width": 224}})),
            Scale::Exact
        );
        for (refused, part) in [
            (
                json!({"size": 224, "resample": 1}),
                "interpolation number 1",
            ),
            (
                json!({"size": 224, "rescale_factor": 0.00784}),
                "divided by 255",
            ),
            (json!({"size": {"longest_edge": 224}}), "combination"),
        ] {
            let error = of(refused).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
