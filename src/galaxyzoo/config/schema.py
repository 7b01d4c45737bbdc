"""Typed configuration of a run: the defaults, and the settings that contradict each other.

A run's YAML holds what differs from the defaults; `key=value` overrides come on top.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from galaxyzoo.config.base import Settings
from galaxyzoo.config.names import is_stage
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import digest
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import TASKS

ORIGINAL_PX = 424  # side of the competition's images; crop_px is in units of these pixels
_ZOOBOT = "zoobot"  # in the names of weights that were trained on Galaxy Zoo's votes
Positive = Annotated[float, Field(gt=0)]
# What may change between two calls of a run
_NOT_IN_DIGEST: Any = {
    "about": True,
    "reference": True,
    "needs_gpu": True,
    "on_bad_image": True,
    "stage": True,
    "predict": True,
    "before": True,  # by its own digest
    "train": {
        "on_out_of_memory": True,
        "deterministic": True,
        "compile": True,
        "graph": True,
        "tensorboard": True,
    },
}


class ImageConfig(Settings):
    """Part of the sky image that the network sees, and its size."""

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
    # start from the weights that timm, torchvision or the hub has of it, mostly of ImageNet
    pretrained: bool = False
    # safetensors used where it exists (path from the project root), else NAME.imagenet.safetensors
    # in the folder GALAXYZOO_WEIGHTS, else a download; box: the networks in weights/, each fold
    # from the one that has not seen it
    weights_file: str | None = None
    # whether pretrained: true may go on from scratch where no weights can be had
    allow_scratch: bool = False
    # passed on to the model's constructor (timm's or ours)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    # per channel, of values in [0, 1]; downloaded weights bring their own, those from a file have
    # timm's for the model's name unless these are changed
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)


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
    # answer; softmax: classes' default; rule: classes by the task's label rule from votes, with
    # which the head can start where the stage before has learned them
    output: Literal["plain", "sigmoid", "tree", "softmax", "rule"] = "tree"


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
    # albumentations by name, e.g. {name: GaussNoise, p: 0.5}, after the warp
    transforms: list[dict[str, Any]] = Field(default_factory=list)


class TrainConfig(Settings):
    """Training of a fold."""

    # 0, with head.output=rule: classes by the votes of the stage before, nothing trained
    epochs: int = Field(16, ge=0)
    # backbone: only the head learns, and norms keep their statistics
    freeze: Literal["none", "backbone"] = "none"
    batch_size: int = Field(64, ge=2)
    # work through each batch in so many parts, of two images at least, whose gradients add up:
    # less memory; batch norm sees the parts
    accumulation: int = Field(1, ge=1)
    # accumulate: start the epoch again with twice as many parts
    on_out_of_memory: Literal["stop", "accumulate"] = "stop"
    # sgd: with Nesterov momentum 0.9; muon: timm's, better in few epochs from scratch
    optimizer: Literal["adamw", "adam", "sgd", "muon"] = "adamw"
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
    # on CUDA, launch each step as a whole (a CUDA graph) rather than kernel by kernel
    graph: bool = True
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


class Config(Settings):
    """Everything that determines a run's result, apart from the data and the machine."""

    # "<task>/<stem>", set when loaded
    run: str = ""
    task: str
    # what it is, for tables and reports
    about: str = ""
    # name of the stage of a recipe, and the stage before it, from whose weights it starts, its head
    # too where both heads have the same columns; set when loaded
    stage: str = ""
    before: "Config | None" = None
    # of an earlier stage: whether its networks are a run too, named RECIPE@STAGE
    predict: bool = False
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
    # kl: divergence per question of the tree; cross_entropy: classes' default; soft_cross_entropy:
    # the classes' shares in the votes as targets
    loss: Literal["mse", "kl", "cross_entropy", "soft_cross_entropy"] = "mse"
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    tta: TTAConfig = TTAConfig()

    def digest(self) -> str:
        """Digest of all that changes the result.

        `on_bad_image` does not count: the catalog's fingerprint covers which galaxies are in.
        """
        return self._digest(self.before.digest() if self.before else "")

    def weights_digest(self) -> str:
        """Digest of all that changes the weights: runs with other names and views have the same."""
        return self._digest(self.before.weights_digest() if self.before else "", "run", "tta")

    def folder_digest(self) -> str:
        """Digest of what its folder depends on: an earlier stage predicts nothing, in no views."""
        return self.weights_digest() if self.is_earlier_stage else self.digest()

    def _digest(self, before: str, *without: str) -> str:
        exclude = _NOT_IN_DIGEST | dict.fromkeys(without, True)
        values = [before, self.model_dump(mode="json", exclude=exclude)]
        return digest([json.dumps(values, sort_keys=True)])[:16]

    @property
    def stages(self) -> "list[Config]":
        """The stages of the recipe up to this one, first to last."""
        return [*(self.before.stages if self.before else ()), self]

    @property
    def runs(self) -> "list[Config]":
        """List what the recipe trains, in order: its stages, and the runs made of them."""
        name = self.run
        own = [s.model_copy(update={"run": f"{name}@{s.stage}"}) for s in self.stages if s.predict]
        return [*self.stages, *own]

    @property
    def keeps_head(self) -> bool:
        """Check whether the head of the stage before is kept, which has the same columns."""
        return self.before is not None and self.before.head_task == self.head_task

    @property
    def head_task(self) -> str:
        """The task whose columns the head has: the votes', where a rule makes classes of them."""
        return COMPETITION_TASK if self.head.output == "rule" else self.task

    @property
    def metric(self) -> str:
        """Name of the score after each epoch."""
        return TASKS[self.task].metric

    @property
    def needs_other_dataset(self) -> bool:
        """Check whether a stage learns another dataset's labels."""
        return any(stage.dataset for stage in self.stages)

    @property
    def is_earlier_stage(self) -> bool:
        """Check whether another stage starts from it; then it predicts nothing."""
        return is_stage(self.run)

    @property
    def is_selected_on_validation(self) -> bool:
        """Check whether a stage chose its epoch on the fold that the run is scored on."""
        return any(stage.train.checkpoint == "best" for stage in self.stages)

    @property
    def possible_leakage(self) -> bool:
        """Check whether the first weights were trained on Galaxy Zoo, maybe on these galaxies.

        So were Zoobot's encoders (`hf_hub:mwalmsley/zoobot-encoder-…`): the out-of-fold score of a
        network that starts from them may be memory.
        """
        models = [stage.model for stage in self.stages]
        return any(_ZOOBOT in f"{m.name} {m.weights_file or ''}".lower() for m in models)

    def dataset_before(self, dataset: str) -> str:
        """Dataset of the stage before; `dataset` is that of this stage."""
        return (self.before and self.before.dataset) or self.own_dataset or dataset


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
    if loss == "kl" and config.head.output != "tree":
        return (
            f"loss '{loss}' needs head.output tree, whose answers are probabilities: "
            f"head.output {config.head.output} goes with loss=mse"
        )
    if not loss.endswith("cross_entropy"):
        if train.class_balance == "weights":
            return "train.class_balance 'weights' needs a cross-entropy, which they weigh"
        if train.label_smoothing:
            return "train.label_smoothing needs a cross-entropy, whose targets it changes"
    return _find_in_rule(config)


def _find_in_rule(config: Config) -> str | None:
    by_rule = config.head.output == "rule"
    if by_rule and TASKS[config.task].rule is None:
        return f"head.output rule: task '{config.task}' has no label rule"
    if by_rule and config.train.class_balance != "none":
        return "head.output rule goes with train.class_balance=none: it has no bias per class"
    if not (config.train.epochs or (by_rule and config.keeps_head)):
        return "train.epochs=0 needs head.output rule and a stage of votes before it"
    return None
