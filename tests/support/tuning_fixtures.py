"""A small search, without its training."""

from pathlib import Path

import yaml

BASE = {
    "task": "gz37",
    "about": "tiny",
    "image": {"crop_px": 424, "cache_px": 53, "field_px": 424, "size_px": 32},
    "model": {"name": "cnn", "kwargs": {"widths": [8, 16]}},
    "head": {"hidden": 16},
    "train": {"epochs": 1, "batch_size": 8},
}
SPACE = {
    "model.kwargs.widths": {"type": "choice", "choices": [[8, 16], [4, 8]]},
    "head.hidden": {"type": "int", "low": 8, "high": 32, "step": 8},
    "head.dropout": {"type": "float", "low": 0.0, "high": 0.5},
    "train.lr": {"type": "float", "low": 1.0e-4, "high": 1.0e-2, "log": True},
    "augment.zoom": {"type": "float", "low": 1.0, "high": 1.5},
}


def write_search(folder: Path, **changes: object) -> Path:
    """Write `tiny.yaml`, the search of `SPACE` from `BASE`, two epochs long, with other keys."""
    path = folder / "tiny.yaml"
    values = {"base": {**BASE, "train": {"epochs": 2, "batch_size": 8}}, "space": SPACE, **changes}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path
