//! Networks in folders that are not known by their tensors: why, and the Python lines that export
//! them.

use std::path::Path;

use serde_json::Value;

use crate::Fault;
use pathscope_file::shortened;

/// Who wrote a folder.
pub(super) enum Origin {
    /// timm's hub; the architecture.
    Timm(String),
    /// transformers; the class of the model.
    Transformers(String),
    Unknown,
}

impl Origin {
    pub fn of(config: &Value) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let classes = config.get("architectures");
        let class = text(classes.and_then(|classes| classes.get(0)));
        match (text(config.get("architecture")), class) {
            (Some(architecture), _) => Self::Timm(architecture),
            (None, Some(class)) => Self::Transformers(class),
            (None, None) => Self::Unknown,
        }
    }

    /// Why tensors of this origin would not say what the network computes, if so: others have the
    /// same names.
    pub fn unknown(&self, config: &Value) -> Option<String> {
        match self {
            Self::Timm(architecture) => (!is_plain(architecture) || changed(config)).then(|| {
                let name = shortened(architecture);
                format!("`{name}` or its options have more in them than tensors show")
            }),
            Self::Transformers(_) => {
                let kind = config.get("model_type").and_then(Value::as_str);
                if kind != Some("resnet") {
                    let kind = shortened(kind.unwrap_or("none"));
                    return Some(format!("its `model_type` is `{kind}`"));
                }
                let activation = config.get("hidden_act").and_then(Value::as_str);
                if activation.is_some_and(|name| name != "relu") {
                    return Some("its activation is not ReLU".into());
                }
                let moved = ["downsample_in_first_stage", "downsample_in_bottleneck"];
                let moved = moved
                    .into_iter()
                    .find(|key| config.get(key).and_then(Value::as_bool) == Some(true));
                moved.map(|key| format!("it has `{key}`"))
            }
            Self::Unknown => None,
        }
    }

    /// The fault of a folder whose network must be exported in Python.
    pub fn must_be_exported(&self, folder: &Path, config: &Value, why: String) -> Fault {
        Fault::MustBeExported {
            why,
            python: self.python(folder, side(config)),
        }
    }

    fn python(&self, folder: &Path, side: i64) -> String {
        // JSON writes text as Python does.
        let quoted = |text: &str| Value::from(text).to_string();
        let path = folder.to_string_lossy();
        let out = folder.with_extension("pt2");
        let out = quoted(&out.to_string_lossy());
        let (load, network) = match self {
            Self::Timm(_) => (
                format!(
                    "import timm, torch\nnetwork = timm.create_model({})",
                    quoted(&format!("local-dir:{path}"))
                ),
                "network",
            ),
            Self::Transformers(class) => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let class = match class.chars().all(is_name) {
                    true => class.as_str(),
                    false => "AutoModel",
                };
                (
                    format!(
                        "import torch, transformers\n\
                         model = transformers.{class}.from_pretrained({})\n\
                         model.config.use_cache = False\n\
                         class Network(torch.nn.Module):\n    \
                             def __init__(self):\n        \
                                 super().__init__()\n        \
                                 self.model = model\n    \
                             def forward(self, x):\n        \
                                 return self.model(x).logits",
                        quoted(&path)
                    ),
                    "Network()",
                )
            }
            Self::Unknown => (
                "import torch\nnetwork = ...  # the model".to_owned(),
                "network",
            ),
        };
        let input = match self {
            Self::Transformers(class) if !class.contains("Image") => {
                "torch.zeros(2, 16, dtype=torch.long)  # 2 sequences of 16 tokens".to_owned()
            }
            _ => format!("torch.zeros(2, 3, {side}, {side})  # 2 images"),
        };
        format!(
            "{load}\n\
             x = {input}\n\
             batch = {{0: torch.export.Dim(\"batch\")}}\n\
             program = torch.export.export({network}.eval(), (x,), dynamic_shapes=(batch,))\n\
             torch.export.save(program, {out})"
        )
    }
}

/// Whether timm built a network with options that its tensors do not show.
fn changed(config: &Value) -> bool {
    let known = |(key, value): (&String, &Value)| match key.as_str() {
        "num_classes" | "in_chans" => true,
        "global_pool" => value == "avg",
        _ => false,
    };
    let options = config.get("model_args").and_then(Value::as_object);
    options.is_some_and(|options| !options.iter().all(known))
}

/// Side of the images that a network takes, in pixels.
fn side(config: &Value) -> i64 {
    let timm = config.get("pretrained_cfg");
    let timm = timm.and_then(|timm| timm.get("input_size")?.get(1)?.as_i64());
    let side = timm.or_else(|| config.get("image_size")?.as_i64());
    side.unwrap_or(224)
}

/// Whether an architecture of timm is a residual network that its tensors describe: no other
/// activation, pooling or blur has the same names.
fn is_plain(architecture: &str) -> bool {
    let name = architecture.split('.').next().unwrap_or_default();
    let Some((family, rest)) = name.split_once(|c: char| c.is_ascii_digit()) else {
        return false;
    };
    let depth = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    match family {
        "resnet" => matches!(depth, "" | "d" | "t"),
        "resnext" => matches!(
            depth,
            "_32x4d" | "d_32x4d" | "_32x8d" | "_64x4d" | "_32x16d"
        ),
        "wide_resnet" => depth == "_2",
        "resnetv" => ["_18", "_34", "_50", "_101", "_152"].contains(&depth),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_plain_residual_networks_of_timm_are_known_by_their_tensors() {
        for name in [
            "resnet18",
            "resnet50d",
            "resnet26t",
            "resnext50_32x4d",
            "wide_resnet50_2",
            "resnetv2_50",
            "resnet50.a1_in1k",
        ] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "resnetblur50",
            "resnetaa50",
            "resnet61q",
            "seresnet50",
            "resnet50s",
            "resnet50_gn",
            "resnext26ts",
            "resnetv2_50d_gn",
            "vit_tiny_patch16_224",
            "resnet",
        ] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
