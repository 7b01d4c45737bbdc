"""The model card of a run that is handed over: what it is, how good, for what not, how to use it.

Its head is what Hugging Face's hub reads (huggingface.co/docs/hub/model-cards).
"""

from pathlib import Path
from typing import Any

import yaml

from galaxyzoo.config.schema import ORIGINAL_PX, Config
from galaxyzoo.core import files
from galaxyzoo.core.console import format_table
from galaxyzoo.inference.tta import count_views
from galaxyzoo.tasks.registry import Task, get_task

_WILLETT = "Willett et al. 2013, MNRAS 435, 2835, doi:10.1093/mnras/stt1458 (Galaxy Zoo 2)"
_HART = "Hart et al. 2016, MNRAS 461, 3663, doi:10.1093/mnras/stw1588 (Galaxy Zoo 2, debiased)"
_SDSS = "York et al. 2000, AJ 120, 1579, doi:10.1086/301513 (Sloan Digital Sky Survey)"
_GALAXY10 = "Leung & Bovy 2019, MNRAS 483, 3255, doi:10.1093/mnras/sty3217 (Galaxy10, astroNN)"
_ZHU = "Zhu et al. 2019, Ap&SS 364, 55, doi:10.1007/s10509-019-3540-1 (the five classes)"
_LIMITS = """\
- The answers are what Galaxy Zoo's volunteers would say of such an image, with their biases
  (distant galaxies look smoother), not measurements of the galaxy.
- Other telescopes, filters, scales or image processing than in training are untested.
- The mean of several networks has learned from all galaxies above: on those its answers are
  better than the scores, which hold for new galaxies of the same kind."""
_OF_TASK = {"galaxy10": [_GALAXY10], "galaxy10_decals": [_GALAXY10], "zoo5": [_ZHU]}


def write_card(
    path: Path, config: Config, scores: dict[str, Any], onnx_difference: float | None
) -> None:
    """Write a model card in Markdown.

    Args:
        path: the file.
        config: of the run.
        scores: the run's out-of-fold score card.
        onnx_difference: largest difference between the ONNX file and the networks; None: no file.
    Raises:
        InputError: it cannot be written.
    """
    task = get_task(config.task)
    has_onnx = onnx_difference is not None
    parts = [
        f"---\n{_front_matter(config, scores, has_onnx)}---",
        f"# {config.run}, trained on {scores['dataset']}",
        _summary(config, scores, task),
        f"## Scores\n\n{_scores(scores)}",
        f"## Training\n\n{_training(config, scores)}",
        f"## Limits\n\n{_limits(config, scores)}",
        f"## Use\n\n{_use_here()}",
        *([_use_onnx(config, task, onnx_difference)] if onnx_difference is not None else []),
        f"## Licences\n\n{_licences(config)}",
        f"## Please cite\n\n{_citations(config.task)}",
    ]
    files.write_text(path, "\n\n".join(parts) + "\n")


def _front_matter(config: Config, scores: dict[str, Any], has_onnx: bool) -> str:
    """What the hub shows and searches, as YAML."""
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": scores["dataset"], "type": "galaxy-zoo"},
        "metrics": [{"type": scores["metric"], "value": scores["score"], "name": "out of fold"}],
    }
    values = {
        "license": "other",
        "license_name": "mit-code-data-under-own-terms",
        "license_link": "LICENSE",
        "pipeline_tag": "image-classification",
        "tags": ["astronomy", "galaxy-morphology", "galaxy-zoo", "pytorch", "safetensors"]
        + (["onnx"] if has_onnx else []),
        "model-index": [{"name": config.run.replace("/", "-"), "results": [result]}],
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _summary(config: Config, scores: dict[str, Any], task: Task) -> str:
    folds = len(scores["folds"])
    return (
        f"{config.about or config.model.name}. {folds} networks, one for each of the folds "
        f"{', '.join(map(str, scores['folds']))} of {scores['n_folds']}, whose predictions are "
        f"averaged. Input: an image of one galaxy. Output: {task.quantity}, {len(task.columns)} "
        f"columns: {', '.join(task.columns)}."
    )


def _scores(scores: dict[str, Any]) -> str:
    """Out-of-fold scores as a table."""
    sd = "" if scores["sd"] is None else f" ± {scores['sd']:.5f} (standard deviation)"
    rows = [
        *([fold, f"{score:.5f}"] for fold, score in scores["per_fold"].items()),
        ["all galaxies", f"{scores['score']:.5f}"],
        ["mean of the folds", f"{scores['mean']:.5f}{sd}"],
    ]
    text = (
        f"{scores['metric']} out of fold: each of {scores['galaxies']:,} galaxies is predicted by "
        f"the one network that has not learned from it, over {scores['views']} views. All columns "
        "and more are in `oof.json`."
    )
    return f"{text}\n\n{format_table(['Fold', scores['metric']], rows)}"


def _training(config: Config, scores: dict[str, Any]) -> str:
    image = config.image
    return f"""- Network: `{config.model.name}` at {image.size_px} px, which show the middle
  {image.field_px:g} px of a {ORIGINAL_PX} px image; first weights: {scores["start"]}.
- Data: dataset `{scores["dataset"]}`, fingerprint {scores["fingerprint"]}.
{_schedule(config)}
- Code version {scores["code_version"]}."""


def _schedule(config: Config) -> str:
    train, augment = config.train, config.augment
    if not train.epochs:
        return "- No training of its own: its start's networks as they are, seen in other views."
    return f"""- {train.epochs} epochs, {train.optimizer}, learning rate up to {train.lr:g}
  ({train.schedule}), batches of {train.batch_size}, moving average {train.ema_decay:g},
  seed {train.seed}.
- Loss `{config.loss}`, output `{config.head.output}`.
- Augmentation: rotation ± {augment.rotate_deg:g}°, mirror {augment.flip}, zoom up to
  {augment.zoom:g}, shift ± {augment.shift_px:g} px; more in `config.yaml`."""


def _limits(config: Config, scores: dict[str, Any]) -> str:
    lines = [_LIMITS]
    if len(scores["folds"]) < scores["n_folds"]:
        lines.append("- Not all folds are trained: the scores are of those galaxies alone.")
    if scores.get("selected_on_validation"):
        lines.append("- The scores are optimistic: an epoch was chosen on the scored fold.")
    if scores.get("possible_leakage"):
        lines.append("- The first weights may have learned from these very galaxies.")
    if scores.get("diverged"):
        lines.append(f"- Training diverged in fold(s) {', '.join(map(str, scores['diverged']))}.")
    if scores["dataset"] == "demo":
        lines.append("- Trained on galaxies drawn by a program: a test of the machinery only.")
    return "\n".join(lines)


def _use_here() -> str:
    return """With the project's code (`PYTHONPATH=src` in a checkout, this folder as `model/`):

```python
from pathlib import Path

from galaxyzoo.inference.artifacts import load_fold_model
from galaxyzoo.inference.predict import predict_stores
from galaxyzoo.config.loading import load_run_config

folder = Path("model")
config, _ = load_run_config(folder)
models = [load_fold_model(config, fold) for fold in sorted(folder.glob("fold_*"))]
table, unreadable = predict_stores(config, models, [Path("my_galaxies")])
print(table)
```"""


def _use_onnx(config: Config, task: Task, difference: float) -> str:
    """How to use the ONNX file without the project's code."""
    image = config.image
    scale = image.cache_px / image.crop_px
    step = image.field_px / image.size_px * scale
    start = (image.cache_px - 1) / 2 - step * (image.size_px - 1) / 2
    reduced = max(r for r in (1, 2, 4) if r == 1 or image.crop_px / r >= image.cache_px)
    flag = "cv2.IMREAD_COLOR" if reduced == 1 else f"cv2.IMREAD_REDUCED_COLOR_{reduced}"
    views = "the image's eight orientations" if config.tta.dihedral else "the image as it is"
    more = count_views(config.tta) // (8 if config.tta.dihedral else 1)
    left_out = f" (the run's own predictions also over {more} angles and zooms)" if more > 1 else ""
    clip = "" if config.head.output in ("tree", "softmax") else " only after clipping"
    return f"""`model.onnx` is the mean of the networks over {views}{left_out}. Input
`images`: (batch, 3, {image.size_px}, {image.size_px}) uint8 RGB, a batch of any size. Output
`predictions`: {task.quantity}{clip}, float32. It computes in fp32; predictions of
the networks in fp32 differ by at most {difference:.0e}. For JPEGs of {ORIGINAL_PX} px, with numpy,
opencv-python and onnxruntime:

```python
import cv2
import numpy as np
import onnxruntime

image = cv2.imread("galaxy.jpg", {flag})
side = min(image.shape[:2])
keep = round(side * {image.crop_px} / {ORIGINAL_PX})
top, left = (image.shape[0] - keep) // 2, (image.shape[1] - keep) // 2
image = image[top : top + keep, left : left + keep, ::-1]
image = cv2.resize(image, ({image.cache_px}, {image.cache_px}), interpolation=cv2.INTER_AREA)
matrix = np.array([[{step!r}, 0, {start!r}], [0, {step!r}, {start!r}]])
flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
size = ({image.size_px}, {image.size_px})
image = cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
session = onnxruntime.InferenceSession("model.onnx")
predictions = session.run(None, {{"images": image.transpose(2, 0, 1)[None]}})[0]
print(predictions)
```"""


def _licences(config: Config) -> str:
    start = (
        "first weights that others trained (ImageNet's or Zoobot's, say), with their licence; and "
        if config.model.pretrained or config.model.start_run
        else ""
    )
    return (
        "The code is under the MIT licence (`LICENSE`). Weights derive from what they learned "
        f"from: {start}the data. Galaxy images are the Sloan Digital Sky Survey's (or, for "
        "Galaxy10 DECaLS, the DESI Legacy Surveys'), votes are Galaxy Zoo's; where they came "
        "through a Kaggle competition, its rules say what they may be used for. Whoever publishes "
        "these weights has to look whether those terms allow it."
    )


def _citations(task: str) -> str:
    return "\n".join(f"- {one}" for one in [_WILLETT, _HART, _SDSS, *_OF_TASK.get(task, [])])
