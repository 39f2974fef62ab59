"""Exported networks against PyTorch: the smallest member with a skip of each model family of timm.

    pip install torch==2.11.0 timm==1.0.31 numpy
    cargo build --release --example exported_logits
    python scripts/exported_families.py export FOLDER [FAMILY...]
    python scripts/exported_families.py compare FOLDER [FAMILY...] --table PAGE.md

`export` writes for each family FAMILY.pt2 (random weights, a dynamic batch), FAMILY.npz (16 random
images `x` and the `logits` that PyTorch computes from them) and FAMILY.json (the member, or the
reason why PyTorch cannot export it). Each family runs in a process with limits of time and memory.

`compare` opens each archive with pathscope and prints blocks, the largest difference of a logit
relative to the largest logit, and errors against PyTorch's predictions; the table replaces what
PAGE.md has between two comments. FAMILY.row keeps what was found, for the next time. It works for any folder of such pairs; arrays `logits_1`,
`logits_2`, ... are compared with batches of that size.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import time

import numpy

EXAMPLES = 16
SIDES = (96, 128, 160, 224)
BEGIN, END = "<!-- families -->", "<!-- /families -->"
MEMBERS = {
    "beit": "beit_base_patch16_224",
    "byoanet": "halonet_h1",
    "byobnet": "test_byobnet",
    "cait": "cait_xxs24_224",
    "coat": "coat_tiny",
    "convit": "convit_tiny",
    "convmixer": "convmixer_768_32",
    "convnext": "test_convnext",
    "cpubone": "cpubone_nano",
    "crossvit": "crossvit_tiny_240",
    "csatv2": "csatv2",
    "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny",
    "davit": "davit_tiny",
    "deepseek_vit": "deepseek_vit_412m",
    "deit": "deit_tiny_patch16_224",
    "densenet": "densenet121",
    "dla": "dla34",
    "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small",
    "efficientformer": "efficientformer_l1",
    "efficientformer_v2": "efficientformerv2_s0",
    "efficientnet": "mobilenetv2_035",
    "efficientvim": "efficientvim_m1",
    "efficientvit_mit": "efficientvit_b0",
    "efficientvit_msra": "efficientvit_m0",
    "eva": "eva02_tiny_patch14_224",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "focalnet": "focalnet_tiny_srf",
    "gcvit": "gcvit_xxtiny",
    "gemma4_vit": "gemma4_vit_167m_enc",
    "ghostnet": "ghostnet_050",
    "hardcorenas": "hardcorenas_b",
    "hgnet": "hgnetv2_b0",
    "hiera": "hiera_tiny_224",
    "hieradet_sam2": "sam2_hiera_tiny",
    "hrnet": "hrnet_w18_small",
    "iformer": "iformer_t",
    "inception_next": "inception_next_atto",
    "inception_resnet_v2": "inception_resnet_v2",
    "inception_v3": "inception_v3",
    "inception_v4": "inception_v4",
    "lcnetv2": "lcnetv2_small",
    "levit": "levit_128s",
    "lowformer": "lowformer_b0",
    "mambaout": "test_mambaout",
    "maxxvit": "test_coatnet",
    "metaformer": "poolformer_s12",
    "mlp_mixer": "gmixer_12_224",
    "mobilenetv3": "mobilenetv3_small_050",
    "mobilenetv5": "mobilenetv5_base",
    "mobilevit": "mobilevit_xxs",
    "mvitv2": "mvitv2_tiny",
    "naflexvit": "naflexvit_base_patch16_gap",
    "nasnet": "nasnetalarge",
    "nest": "nest_tiny",
    "nextvit": "nextvit_small",
    "nfnet": "test_nfnet",
    "pit": "pit_xs_224",
    "pnasnet": "pnasnet5large",
    "pvt_v2": "pvt_v2_b0",
    "qwen3_vit": "qwen3_vit_88m",
    "rdnet": "rdnet_tiny",
    "regnet": "regnetx_002",
    "repghost": "repghostnet_050",
    "repvit": "repvit_m1",
    "res2net": "res2next50",
    "resnest": "resnest14d",
    "resnet": "test_resnet",
    "resnetv2": "resnetv2_18",
    "rexnet": "rexnet_100",
    "selecsls": "selecsls42",
    "senet": "legacy_seresnet18",
    "sequencer": "sequencer2d_s",
    "shvit": "shvit_s1",
    "sknet": "skresnet18",
    "starnet": "starnet_s050",
    "swiftformer": "swiftformer_xs",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window8_256",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224",
    "tnt": "tnt_s_legacy_patch16_224",
    "tresnet": "tresnet_m",
    "twins": "twins_svt_small",
    "vgg": "vgg11",
    "visformer": "visformer_tiny",
    "vision_transformer": "test_vit",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "vision_transformer_relpos": "test_vit_relpos",
    "vision_transformer_sam": "samvit_base_patch16_224",
    "vitamin": "vitamin_small_224",
    "volo": "volo_d1_224",
    "vovnet": "ese_vovnet19b_slim_dw",
    "xception": "legacy_xception",
    "xception_aligned": "xception41p",
    "xcit": "xcit_nano_12_p8_224",
}
# No member has a skip: blocks concatenate several ways, or follow one another.
WITHOUT_SKIPS = ("inception_v3", "inception_v4", "vgg")


def liven(torch, model, images):
    """Random weights with which every block and every example makes a difference: no constants
    at zero or one, and the statistics of a real batch in normalisations."""
    with torch.no_grad():
        for parameter in model.parameters():
            first = parameter.flatten()[:1]
            if parameter.numel() > 1 and bool((parameter == first).all()):
                small = 0 < abs(first.item()) < 0.1
                parameter.mul_(0 if small else 1).add_(0.3 if small else 0)
                parameter.add_(0.1 * torch.randn_like(parameter))
        batch_norms = [
            module for module in model.modules()
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        ]
        for module in batch_norms:
            module.train()
            module.momentum = None
            module.reset_running_stats()
        model(images)
    return model.eval()


def smallest(torch, timm, member, **options):
    """The member at the smallest side of images that it works with."""
    model = timm.create_model(member, **options).eval()
    own = model.pretrained_cfg["input_size"][-1]
    fixed = model.pretrained_cfg.get("fixed_input_size")
    for side in [side for side in SIDES if side < own]:
        try:
            if fixed:
                model = timm.create_model(member, img_size=side, **options).eval()
            with torch.no_grad():
                model(torch.zeros(2, 3, side, side))
            return model, side
        except Exception:  # noqa: BLE001, S112 (each model objects in its own way)
            continue
    return timm.create_model(member, **options).eval() if fixed else model, own


def export(folder, family):
    import timm
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    facts = {"member": MEMBERS[family], "torch": torch.__version__, "timm": timm.__version__}
    record = folder / f"{family}.json"
    record.write_text(json.dumps(facts | {"reason": "the process was ended by its limits"}))
    start = time.perf_counter()
    model, side = smallest(torch, timm, MEMBERS[family])
    if getattr(model, "num_classes", 0) == 0:
        try:
            model, side = smallest(torch, timm, MEMBERS[family], num_classes=1000)
        except Exception:  # noqa: BLE001
            facts["headless"] = True
    facts["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    facts["side"] = side
    images = torch.randn(EXAMPLES, 3, side, side)
    model = liven(torch, model, images)
    with torch.no_grad():
        logits = model(images)
    if not isinstance(logits, torch.Tensor):
        facts["outputs"] = str(type(logits))
        logits = next(value for value in torch.utils._pytree.tree_leaves(logits))
    try:
        batch = torch.export.Dim("batch")
        program = torch.export.export(model, (images[:2],), dynamic_shapes=({0: batch},))
        facts["batch"] = "dynamic"
    except Exception as fault:  # noqa: BLE001
        facts["dynamic"] = " ".join(str(fault).split())[:400]
        try:
            program = torch.export.export(model, (images,))
            facts["batch"] = f"fixed at {EXAMPLES}"
        except Exception as fault:  # noqa: BLE001
            facts["reason"] = " ".join(f"{type(fault).__name__}: {fault}".split())[:400]
            record.write_text(json.dumps(facts, indent=1) + "\n")
            return
    torch.export.save(program, folder / f"{family}.pt2")
    labels = logits.reshape(EXAMPLES, -1, logits.shape[-1]).argmax(-1)
    facts["predictions"] = len(labels.unique())
    facts["seconds"] = round(time.perf_counter() - start, 1)
    arrays = {"x": images.numpy(), "logits": logits.numpy(), "labels": labels.numpy()}
    numpy.savez(folder / f"{family}.npz", **arrays)
    record.write_text(json.dumps(facts, indent=1) + "\n")


def limited(command, seconds, gibibytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (gibibytes << 30, gibibytes << 30))

    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, preexec_fn=limit, check=False
        )
        output = done.stdout if done.returncode == 0 else done.stderr
        return done.returncode, output.strip(), time.perf_counter() - start
    except subprocess.TimeoutExpired:
        return None, f"more than {seconds} s", float(seconds)


def compared(options, name):
    """What pathscope makes of one archive: a row of the table."""
    archive, arrays = options.folder / f"{name}.pt2", options.folder / f"{name}.npz"
    facts = options.folder / f"{name}.json"
    facts = json.loads(facts.read_text()) if facts.exists() else {}
    row = {"name": name, "member": facts.get("member", ""), "blocks": "", "apart": "", "errors": ""}
    if not archive.exists() or not arrays.exists():
        return row | {"result": f"PyTorch cannot export it: {facts.get('reason', '?')}"}
    expected = numpy.load(arrays)
    keys = sorted(key for key in expected.files if key.startswith("logits_")) or ["logits"]
    sizes = [str(len(expected[key])) for key in keys]
    found_at = options.scratch / f"{name}.npz"
    found_at.unlink(missing_ok=True)
    command = [options.program, archive, arrays, found_at, *sizes]
    code, output, seconds = limited(command, options.seconds, options.gibibytes)
    row["seconds"] = f"{seconds:.1f}"
    if code != 0:
        said = output.splitlines()[-1] if output else f"ended with {code}"
        return row | {"result": said.replace(str(archive), name)}
    row["blocks"], row["opening"] = output.split()[:2]
    found = numpy.load(found_at)
    apart, errors = 0.0, 0
    for key, size in zip(keys, sizes):
        expects, finds = expected[key], found[f"logits_{size}"]
        if expects.shape != finds.shape:
            return row | {"result": f"logits of shape {finds.shape}, not {expects.shape}"}
        apart = max(apart, float(abs(expects - finds).max() / abs(expects).max()))
        errors += int((expects.argmax(-1) != finds.argmax(-1)).sum())
    row["apart"], row["errors"] = f"{apart:.1e}", str(errors)
    if errors == 0 and apart < options.tolerance:
        return row | {"result": "as PyTorch"}
    own, flips = rounding(archive, expected)
    within = apart < 2 * own and errors <= flips
    said = f"PyTorch's own float32 is {own:.1e} and {flips} predictions from its float64"
    return row | {"result": f"{'as PyTorch' if within else 'differs'} ({said})"}


def rounding(archive, expected):
    """How far PyTorch's own logits in float32 are from those in float64, and how many predictions
    differ: a random network of many layers may be that sensitive."""
    import torch

    network = torch.export.load(archive).module().double()
    with torch.no_grad():
        exact = network(torch.from_numpy(expected["x"]).double()).numpy()
    single = expected["logits"]
    apart = float(abs(exact - single).max() / abs(exact).max())
    return apart, int((exact.argmax(-1) != single.argmax(-1)).sum())


def compare(options):
    names = options.families or sorted(
        path.stem for path in options.folder.iterdir() if path.suffix in (".pt2", ".json")
    )
    rows = []
    for name in dict.fromkeys(names):
        kept = options.folder / f"{name}.row"
        if kept.exists():
            rows.append(json.loads(kept.read_text()))
            continue
        rows.append(row := compared(options, name))
        if "seconds" in row:
            kept.write_text(json.dumps(row) + "\n")
        print(*(f"{key}={value}" for key, value in row.items()), flush=True)
    heads = {
        "name": "family", "member": "member", "blocks": "blocks",
        "apart": "relative difference", "errors": "errors", "result": "result",
    }
    lines = ["| " + " | ".join(heads.values()) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        lines.append("| " + " | ".join(str(row.get(key, "")) for key in heads) + " |")
    exportable = [row for row in rows if not row["result"].startswith("PyTorch cannot")]
    skipping = [row for row in exportable if row["name"] not in WITHOUT_SKIPS]
    exact = [row for row in skipping if row["result"].startswith("as PyTorch")]
    summary = f"{len(exact)} of {len(skipping)} networks with skips give PyTorch's logits"
    text = "\n".join([*lines, "", summary, ""])
    print(text)
    if options.table:
        page = options.table.read_text()
        before, _, after = page.partition(BEGIN)
        options.table.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after.partition(END)[2]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["export", "export-one", "compare"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--program", default="target/release/examples/exported_logits")
    parser.add_argument("--scratch", type=pathlib.Path, default=pathlib.Path("/tmp"))
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=900)
    parser.add_argument("--gibibytes", type=int, default=16)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.action == "compare":
        return compare(options)
    if options.action == "export-one":
        return export(options.folder, options.families[0])
    for family in options.families or MEMBERS:
        if (options.folder / f"{family}.npz").exists():
            continue
        command = [sys.executable, __file__, "export-one", options.folder, family]
        code, output, seconds = limited(command, options.seconds, options.gibibytes)
        said = output.splitlines()[-1] if output and code != 0 else "done"
        print(f"{family}: {said} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
