"""What settings of a run say against each other, each being right alone."""

from typing import TYPE_CHECKING

from galaxyzoo.paths import task_name
from galaxyzoo.tasks import TASKS

if TYPE_CHECKING:
    from galaxyzoo.config import Config

_OUTPUTS_BY_QUESTION = ("tree", "divided")
_OUTPUTS_OF_VOTES = ("plain", "clipped", "sigmoid", *_OUTPUTS_BY_QUESTION)


def find_contradiction(config: "Config") -> str | None:
    """The first contradiction as one line; None where there is none."""
    task, train, loss = TASKS[config.task], config.train, config.loss
    of_classes = ("softmax",) if task.is_classes else _OUTPUTS_OF_VOTES
    if config.image.cache_px > config.image.crop_px:
        return "image.cache_px must not exceed image.crop_px (the cache never enlarges)"
    if config.head.output not in of_classes:
        return f"head.output '{config.head.output}' is not for task '{task.name}'"
    if loss != "mse" and loss.endswith("cross_entropy") != task.is_classes:
        return f"loss '{loss}' is not for task '{task.name}'"
    if loss in ("kl", "votes") and config.head.output not in _OUTPUTS_BY_QUESTION:
        return (
            f"loss '{loss}' needs head.output tree or divided, whose answers are probabilities: "
            f"head.output {config.head.output} goes with loss=mse"
        )
    if train.class_balance != "none" and not task.is_classes:
        return "train.class_balance is for tasks with classes"
    if not loss.endswith("cross_entropy"):
        if train.class_balance == "weights":
            return "train.class_balance 'weights' needs a cross-entropy, which they weigh"
        if train.label_smoothing:
            return "train.label_smoothing needs a cross-entropy, whose targets it changes"
    return _find_in_length(config) or _find_in_start(config) or _find_in_pseudo_labels(config)


def _find_in_length(config: "Config") -> str | None:
    train = config.train
    if not train.epochs and not config.model.start_head:
        return "train.epochs 0 trains nothing: it needs model.start_run and model.start_head=true"
    if not train.epochs and (train.class_balance != "none" or config.pseudo.runs):
        return "train.epochs 0 trains nothing: leave out train.class_balance and pseudo.runs"
    if train.head_epochs > train.epochs:
        return "train.head_epochs must not exceed train.epochs, which counts them too"
    if train.top_blocks and not train.head_epochs:
        return "train.top_blocks needs train.head_epochs: the head has to be trained first"
    return None


def _find_in_start(config: "Config") -> str | None:
    model = config.model
    if model.start_dataset and not model.start_run:
        return "model.start_dataset needs model.start_run, a run of that dataset"
    if model.start_fold is not None and (not model.start_run or model.starts_without_labels):
        return "model.start_fold needs model.start_run, a run with folds"
    if model.start_head and task_name(model.start_run or "") != config.task:
        return f"model.start_head needs model.start_run, a run of task '{config.task}'"
    return None


def _find_in_pseudo_labels(config: "Config") -> str | None:
    strange = [run for run in config.pseudo.runs if task_name(run) != config.task]
    if strange:
        return f"pseudo.runs: '{strange[0]}' is not of task '{config.task}'"
    if config.pseudo.runs and "train" in config.pseudo.images:
        return "pseudo.images: 'train' are the images that have labels"
    if config.pseudo.own_share and not config.pseudo.runs:
        return "pseudo.own_share needs pseudo.runs, whose predictions it is a share of"
    if config.pseudo.runs and not (config.pseudo.images or config.pseudo.own_share):
        return "pseudo.runs teach nothing: name pseudo.images, or set pseudo.own_share"
    balanced = config.train.class_balance != "none"
    if config.pseudo.runs and (config.loss == "soft_cross_entropy" or balanced):
        return "pseudo.runs goes with neither soft_cross_entropy nor train.class_balance"
    if config.pseudo.use_classes and TASKS[config.task].is_classes:
        return "pseudo.use_classes corrects votes: it is not for tasks with classes"
    return None
