"""Write the model card of an exported run: what it is, scores, limits, how to use it.

Source: huggingface.co/docs/hub/model-cards, for its front matter.
"""

from pathlib import Path

import yaml
from markupsafe import Markup

from galaxyzoo.config.schema import ORIGINAL_PX, Config, ImageConfig
from galaxyzoo.core import files
from galaxyzoo.extras.export.onnx import OLDEST_RUNTIME
from galaxyzoo.extras.pages import templates
from galaxyzoo.models.build import build_model
from galaxyzoo.results.card import RunCard
from galaxyzoo.tasks.kinds import Task


def write_card(
    path: Path,
    config: Config,
    task: Task,
    scores: RunCard,
    onnx_difference: float | None,
    in_half: bool = False,
) -> None:
    """Write a model card in Markdown.

    Args:
        path: the file.
        config: of the run.
        task: of the run.
        scores: the run's out-of-fold score card.
        onnx_difference: largest difference between the ONNX file and the networks; None: no file.
        in_half: whether the weights are kept in half precision.
    """
    text = templates.render(
        "model_card.md.j2",
        front_matter=Markup(_front_matter(config, scores, onnx_difference is not None)),
        config=config,
        network=describe_network(config),
        task=task,
        scores=scores,
        original_px=ORIGINAL_PX,
        onnx_difference=onnx_difference,
        oldest_runtime=OLDEST_RUNTIME,
        in_half=in_half,
        other_views=config.tta.n_views // (8 if config.tta.dihedral else 1),
        **_preprocessing(config.image),
    )
    files.write_text(path, text)


def describe_network(config: Config) -> str:
    """Describe the network that the settings build, by its backbone, parameters and input."""
    network = build_model(config, initialize=False)
    size = sum(parameter.numel() for parameter in network.parameters())
    name = type(network.backbone).__name__
    return f"{name} with {size:,} parameters, for images of {config.image.size_px} px"


def _front_matter(config: Config, scores: RunCard, has_onnx: bool) -> str:
    """Format the YAML that the hub shows and searches."""
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": scores.dataset, "type": "galaxy-zoo"},
        "metrics": [{"type": scores.metric, "value": scores.score, "name": "out of fold"}],
    }
    tags = ["astronomy", "galaxy-morphology", "galaxy-zoo", "pytorch", "safetensors"]
    if has_onnx:
        tags.append("onnx")
    values = {
        "license": "other",
        "license_name": "mit-code-data-under-own-terms",
        "license_link": "LICENSE",
        "pipeline_tag": "image-classification",
        "tags": tags,
        "model-index": [{"name": config.run.replace("/", "-"), "results": [result]}],
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _preprocessing(image: ImageConfig) -> dict[str, Markup]:
    """Warp step and start for the card's example, which needs no galaxyzoo."""
    step = image.field_px / image.size_px * (image.cache_px / image.crop_px)
    start = (image.cache_px - 1) / 2 - step * (image.size_px - 1) / 2
    return {"step": Markup(repr(step)), "start": Markup(repr(start))}
