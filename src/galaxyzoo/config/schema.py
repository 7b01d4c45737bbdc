"""Typed configuration of a run: the defaults, and the settings that contradict each other.

A run's YAML holds what differs from the defaults; `key=value` overrides come on top.
"""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field

from galaxyzoo.config.base import Settings
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import is_stage, task_name
from galaxyzoo.tasks.registry import TASKS

ORIGINAL_PX = 424  # side of the competition's images; crop_px is in units of these pixels
# Among names of datasets: the images of the run's own training and test galaxies.
OWN_TRAIN, OWN_TEST = "train", "test"
# Folder of configs that are no task's runs: what is learned from images without labels.
PRETRAIN = "pretrain"
Positive = Annotated[float, Field(gt=0)]
# What may change between two calls of a run
_NOT_IN_DIGEST: Any = {
    "about": True,
    "reference": True,
    "needs_gpu": True,
    "on_bad_image": True,
    "stage": True,
    "dataset": True,
    "before": True,
    "train": {
        "on_out_of_memory": True,
        "deterministic": True,
        "compile": True,
        "tensorboard": True,
    },
}


class ImageConfig(Settings):
    """What part of the sky image the network sees, and how large."""

    # side of the centre square kept of the 424 px original
    crop_px: int = Field(324, ge=8, le=ORIGINAL_PX)
    # side of that square in the decoded cache; a whole-numbered shrinking keeps noise low
    cache_px: int = Field(108, ge=8, le=ORIGINAL_PX)
    # side, in original pixels, of what fills the network's input at zoom 1
    field_px: float = Field(230.0, gt=0, le=600)
    # side of the network's input
    size_px: int = Field(80, ge=16, le=512)


class ModelConfig(Settings):
    """The network and the weights that it starts from."""

    # "cnn" (ours), "d4cnn" (ours, the same for all orientations), "layers" (a plain stack),
    # torchvision/<name>, any timm name, or hf_hub:<owner>/<repository>-<timm name>
    name: str
    # orientations of each image that the network gets at once, their features averaged: cyclic4
    # costs 4 times as much, dihedral8 8 times (tta.dihedral then adds nothing)
    views: Literal["one", "cyclic4", "dihedral8"] = "one"
    # run, such as gz37/resnet18, whose weights of the same fold fill the backbone at the start; or
    # pretrain/<stem>: weights learned without any label, the same for every fold (images of the
    # validation galaxies were seen for them, as the test images may be)
    start_run: str | None = None
    # dataset that it was trained on; null: the run's own. Folds must agree on shared galaxies
    start_dataset: str | None = None
    # take over the start's head too, where it has learned the same task; false: a new one
    start_head: bool = False
    # start from the weights that timm, torchvision or the hub has of it, mostly of ImageNet
    pretrained: bool = False
    # safetensors used where it exists (path from the project root); elsewhere timm downloads
    weights_file: str | None = None
    # whether pretrained: true may go on from scratch where no weights can be had
    allow_scratch: bool = False
    # passed on to the model's constructor (timm's or ours)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    # per channel, of values in [0, 1]; downloaded weights bring their own
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)

    @property
    def starts_without_labels(self) -> bool:
        """Whether the weights to start from were learned from images alone."""
        return self.start_run is not None and self.start_run.startswith(f"{PRETRAIN}/")

    @property
    def start(self) -> str:
        """Origin of the backbone's first weights, for a run's records."""
        of = f" of {self.start_dataset}" if self.start_dataset else ""
        seen = " (no labels; images of every fold)" if self.starts_without_labels else ""
        return f"{self.start_run}{of}{seen}"


class HeadConfig(Settings):
    """Linear -> ReLU -> Dropout -> Linear, then the output."""

    # units of the hidden layer, or of several one after another
    hidden: Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=1)], ...] = 512
    activation: Literal["relu", "tanh"] = "relu"
    # after each hidden layer
    dropout: float = Field(0.3, ge=0, lt=1)
    # before the first layer
    input_dropout: float = Field(0.0, ge=0, lt=1)
    # tree: softmax per question, scaled by the parent answer; plain: unconstrained; sigmoid: per
    # answer; softmax: classes' default
    output: Literal["plain", "sigmoid", "tree", "softmax"] = "tree"


class AugmentConfig(Settings):
    """Random changes of training images; the geometric ones are one warp out of the cache."""

    # uniform in ± this angle
    rotate_deg: float = Field(180.0, ge=0, le=180)
    # mirror half of the images (with the rotation: every orientation)
    flip: bool = True
    # scale log-uniform in [1 / zoom, zoom]
    zoom: float = Field(1.3, ge=1)
    # uniform in ± this, in original pixels
    shift_px: float = Field(8.0, ge=0)
    # mix each image and its targets with another of its batch, shares from Beta(this, this); 0: not
    mixup: float = Field(0.0, ge=0)
    # the same with a pasted box, its area from Beta(this, this); with mixup: half of the batches
    cutmix: float = Field(0.0, ge=0)
    # albumentations by name, e.g. {name: GaussNoise, p: 0.5}, after the warp
    transforms: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def needs_whole_batch(self) -> bool:
        """Whether a part of a batch cannot be made without the rest."""
        return bool(self.mixup or self.cutmix or self.transforms)


class TrainConfig(Settings):
    """One fold's training."""

    # 0: the networks of model.start_run as they are, seen through this run's own views
    epochs: int = Field(16, ge=0)
    # the first so many of them train the head alone, the backbone frozen
    head_epochs: int = Field(0, ge=0)
    # highest learning rate of those
    head_lr: float = Field(1e-3, gt=0)
    # afterwards, train only the last so many blocks of the backbone; null: all of it
    top_blocks: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=2)
    # work through each batch in so many parts, of two images at least, whose gradients add up:
    # less memory; batch norm sees the parts
    accumulation: int = Field(1, ge=1)
    # accumulate: start the epoch again with twice as many parts
    on_out_of_memory: Literal["stop", "accumulate"] = "stop"
    # sgd: with Nesterov momentum 0.9
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    # highest learning rate
    lr: float = Field(1e-3, gt=0)
    # cosine: linear warm-up, then half a cosine to 0
    schedule: Literal["cosine", "constant"] = "cosine"
    # share of all steps spent warming up
    warmup: float = Field(0.25, ge=0, lt=1)
    weight_decay: float = Field(0.02, ge=0)
    # largest norm of the gradient
    clip_norm: float | None = Field(None, gt=0)
    # moving average of the weights, per step; 0: none
    ema_decay: float = Field(0.998, ge=0, lt=1)
    # best: epoch chosen on the validation fold, so its score is optimistic
    checkpoint: Literal["last", "best"] = "last"
    # classes alike in training, by a weight in the loss or by drawing them equally often
    class_balance: Literal["none", "weights", "sampling"] = "none"
    # share of a class target given to all classes evenly
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    # auto: bf16 on CUDA and on processors with units for it
    amp: Literal["auto", "bf16", "fp32"] = "auto"
    # on CUDA, the slower kernels that give the same bytes every time; processors always do
    deterministic: bool = False
    # torch.compile the network: for long training on a GPU; on processors slower (performance.md)
    compile: bool = False
    # also write each fold's history as event files for TensorBoard (setup.sh --extras)
    tensorboard: bool = False
    seed: int = Field(0, ge=0)


class TTAConfig(Settings):
    """Views averaged at prediction."""

    # the eight rotations by 90° and mirror images
    dihedral: bool = True
    # rotation angles spread evenly over [0°, 90°); times eight views each
    angles: int = Field(1, ge=1)
    # apparent sizes; times eight views each
    zooms: tuple[Positive, ...] = Field((1.0,), min_length=1)

    @property
    def n_views(self) -> int:
        """Number of views of an image."""
        return (8 if self.dihedral else 1) * self.angles * len(self.zooms)


class PseudoConfig(Settings):
    """Images without votes to learn from, labelled by trained runs."""

    # runs of the same dataset whose networks of the same fold label the images; their mean
    runs: tuple[str, ...] = ()
    # datasets in input/ whose images are labelled (not their galaxies that the run's own dataset
    # has too); "test": the own test images
    images: tuple[str, ...] = Field((OWN_TEST,), min_length=1)
    # side, in original pixels, of what the images of a dataset show, where that is not all
    shown_px: dict[str, Positive] = Field(default_factory=dict)
    # views averaged for a label, whatever the runs' own are: there are many images
    tta: TTAConfig = TTAConfig()
    # labelled images drawn in an epoch, for each galaxy with votes
    ratio: float = Field(1.0, gt=0)


class Config(Settings):
    """Everything that determines a run's result, apart from the data and the machine."""

    # "<task>/<stem>", set when loaded
    run: str = ""
    task: str
    # what it is, for tables and reports
    about: str = ""
    # name of the stage of a recipe, and the stage before it, from which it starts; set when loaded
    stage: str = ""
    before: "Config | None" = None
    # of a stage on another dataset of input/: its name, and the recipe's own, whose test galaxies
    # are not learned from
    dataset: str | None = None
    own_dataset: str | None = None
    # the source's own score, where the config reproduces a published recipe
    reference: str | None = None
    # made for a GPU: trained where it or its ensemble is named, but not with its whole task
    needs_gpu: bool = False
    # training images that cannot be used, when a split is made: an error, or galaxies left out
    on_bad_image: Literal["stop", "drop"] = "stop"
    image: ImageConfig = ImageConfig()
    model: ModelConfig
    head: HeadConfig = HeadConfig()
    # kl: divergence per question of the tree; votes: likelihood of the volunteers' answers per
    # question, its widths learned; cross_entropy: classes' default; soft_cross_entropy: the
    # classes' shares in the votes as targets
    loss: Literal["mse", "kl", "votes", "cross_entropy", "soft_cross_entropy"] = "mse"
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    pseudo: PseudoConfig = PseudoConfig()
    tta: TTAConfig = TTAConfig()

    def digest(self) -> str:
        """Digest of all that changes the result.

        `on_bad_image` does not count: the catalog's fingerprint covers which galaxies are in.
        """
        values = self.model_dump(mode="json", exclude=_NOT_IN_DIGEST)
        if not self.pseudo.runs:
            del values["pseudo"]
        if self.own_dataset is None:
            del values["own_dataset"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def needs_other_dataset(self) -> bool:
        """Whether it starts from a run of another dataset, or learns from its images."""
        others = set(self.pseudo.images) - {OWN_TEST} if self.pseudo.runs else set()
        return bool(self.model.start_dataset or others)

    @property
    def is_earlier_stage(self) -> bool:
        """Whether another stage starts from it; it predicts nothing then."""
        return is_stage(self.run)

    def required_runs(self, dataset: str) -> list[tuple[str, str]]:
        """The runs that it starts from or whose labels it learns, each with its dataset.

        Weights learned without labels are no run of folds, so they are not among them.
        """
        start = None if self.model.starts_without_labels else self.model.start_run
        starts = [(start, self.model.start_dataset or dataset)] if start else []
        return [*starts, *((run, dataset) for run in self.pseudo.runs)]


def parse_config(values: dict[str, Any], source: str) -> Config:
    """Check nested settings; an error names `source` and the key."""
    config = Config.parse(_with_task_defaults(values), source)
    unknown = f"unknown task '{config.task}': known are {', '.join(TASKS)}"
    problem = find_contradiction(config) if config.task in TASKS else unknown
    if problem:
        raise InputError(f"{source}: {problem}")
    return config


def _with_task_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the defaults that depend on the kind of the task."""
    task = TASKS.get(str(values.get("task")))
    head = values.get("head", {})
    if task is None or not isinstance(head, dict):
        return values
    return {"loss": task.losses[0], **values, "head": {"output": task.outputs[0], **head}}


def find_contradiction(config: Config) -> str | None:
    """Two settings, each valid alone, that do not go together, as one line; None where all do."""
    task, train, loss = TASKS[config.task], config.train, config.loss
    if config.image.cache_px > config.image.crop_px:
        return "image.cache_px must not exceed image.crop_px (the cache never enlarges)"
    for key, value, allowed in (
        ("head.output", config.head.output, task.outputs),
        ("loss", loss, task.losses),
        ("train.class_balance", train.class_balance, task.class_balances),
    ):
        if value not in allowed:
            return f"{key} '{value}' is not for task '{task.name}': it takes {', '.join(allowed)}"
    if loss in ("kl", "votes") and config.head.output != "tree":
        return (
            f"loss '{loss}' needs head.output tree, whose answers are probabilities: "
            f"head.output {config.head.output} goes with loss=mse"
        )
    if not loss.endswith("cross_entropy"):
        if train.class_balance == "weights":
            return "train.class_balance 'weights' needs a cross-entropy, which they weigh"
        if train.label_smoothing:
            return "train.label_smoothing needs a cross-entropy, whose targets it changes"
    return _find_in_epochs(config) or _find_in_start(config) or _find_in_pseudo_labels(config)


def _find_in_epochs(config: Config) -> str | None:
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


def _find_in_start(config: Config) -> str | None:
    model = config.model
    if model.start_dataset and not model.start_run:
        return "model.start_dataset needs model.start_run, a run of that dataset"
    if model.start_head and task_name(model.start_run or "") != config.task:
        return f"model.start_head needs model.start_run, a run of task '{config.task}'"
    return None


def _find_in_pseudo_labels(config: Config) -> str | None:
    strange = [run for run in config.pseudo.runs if task_name(run) != config.task]
    if strange:
        return f"pseudo.runs: '{strange[0]}' is not of task '{config.task}'"
    if config.pseudo.runs and "train" in config.pseudo.images:
        return "pseudo.images: 'train' are the images that have labels"
    balanced = config.train.class_balance != "none"
    if config.pseudo.runs and (config.loss == "soft_cross_entropy" or balanced):
        return "pseudo.runs goes with neither soft_cross_entropy nor train.class_balance"
    return None
