"""Typed configuration of a run: the defaults, and the settings that contradict each other.

A run's YAML holds what differs from the defaults; `key=value` overrides come on top.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from galaxyzoo.config import base
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import digest_json
from galaxyzoo.core.paths import BUNDLED, STAGE
from galaxyzoo.tasks.kinds import COMPETITION_TASK, ClassTask, Task
from galaxyzoo.tasks.registry import TASKS, get_task, make_task

ORIGINAL_PX = 424  # side of the competition's images; crop_px is in units of these pixels
_ZOOBOT = "zoobot"  # in the names of weights that were trained on Galaxy Zoo's votes
Positive = Annotated[float, Field(gt=0)]
# What may change between two calls of a run; labels are in the fingerprint of the data
_NOT_IN_DIGEST = ("about", "reference", "labels", "needs_gpu", "on_bad_image", "stage", "predict")
_NOT_OF_TRAIN = {"on_out_of_memory", "deterministic", "graph"}

# Set by `stages` and `loading`, not in a training's own YAML
SET_WHEN_LOADED = ("run", "labels", "stage", "earlier", "predict", "dataset", "own_dataset")


class ImageConfig(base.Settings):
    """Part of the image that the network sees, and its size."""

    crop_px: int = Field(324, ge=8, le=ORIGINAL_PX)
    """side of the center square cut out of the 424 px original"""
    cache_px: int = Field(108, ge=8, le=ORIGINAL_PX)
    """side of the crop_px square in the cache; shrinking by a whole factor keeps noise low"""
    field_px: float = Field(230.0, gt=0, le=600)
    """side, in original pixels, of the square that is resized to size_px"""
    size_px: int = Field(80, ge=16, le=512)
    """side of the network's input"""


class ModelConfig(base.Settings):
    """The network and the weights that it starts from."""

    name: str
    """cnn (ours), d4cnn (ours, equivariant to rotations by 90° and mirroring), layers (a plain
    stack), torchvision/NAME, any timm name, or hf_hub:OWNER/REPOSITORY-TIMMNAME"""
    pretrained: bool = False
    """start from weights published by timm, torchvision or Hugging Face, mostly from ImageNet"""
    weights_file: str | None = None
    """safetensors file to start from (path from the project root); if it does not exist, with
    pretrained: true NAME.imagenet.safetensors in the folder GALAXYZOO_WEIGHTS, or else a download;
    bundled: each fold starts from the network in weights/ that was not trained on it, with its head
    if it has the same columns"""
    allow_scratch: bool = False
    """with pretrained: true, train from scratch if no weights can be downloaded"""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    """arguments of the model's constructor (timm's or ours)"""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """mean per channel, for values in [0, 1]; downloaded weights come with their own; a
    weights_file uses timm's for the model's name unless you change mean or std"""
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    """standard deviation per channel, with the same rules as mean"""

    @property
    def loads_weights(self) -> bool:
        """Check whether a new network starts from published weights or those of a file."""
        return self.pretrained or self.weights_file not in (None, BUNDLED)


class HeadConfig(base.Settings):
    """Linear -> ReLU -> Dropout -> Linear, then the output."""

    hidden: Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=1)], ...] = 512
    """units of the hidden layer, or a list for several layers"""
    activation: Literal["relu", "tanh"] = "relu"
    """activation after each hidden layer"""
    dropout: float = Field(0.3, ge=0, lt=1)
    """dropout rate after each hidden layer"""
    input_dropout: float = Field(0.0, ge=0, lt=1)
    """dropout rate before the first layer"""
    output: Literal["plain", "sigmoid", "tree", "softmax", "rule"] = "tree"
    """tree: softmax per question, scaled by the parent answer; plain: unconstrained; sigmoid: per
    answer; softmax: the default for classes; rule: predict votes and turn them into classes by the
    task's label rule, so that the head can start from a stage that learned votes"""


class AugmentConfig(base.Settings):
    """Random changes of training images; the geometric ones are one warp out of the cache."""

    rotate_deg: float = Field(180.0, ge=0, le=180)
    """random rotation, uniform within ± this angle"""
    flip: bool = True
    """mirror half of the images at random"""
    zoom: float = Field(1.3, ge=1)
    """random scale, log-uniform in [1 / zoom, zoom]"""
    shift_px: float = Field(8.0, ge=0)
    """random shift along each axis, uniform within ± this many original pixels"""
    transforms: list[dict[str, Any]] = Field(default_factory=list)
    """albumentations transforms after the warp, such as {name: GaussNoise, p: 0.5}; each draws its
    own random numbers"""


class TrainConfig(base.Settings):
    """Training of a fold."""

    epochs: int = Field(16, ge=0)
    """passes over the training images; 0 (with head.output=rule): no training, classes follow from
    the previous stage's votes"""
    freeze: Literal["none", "backbone"] = "none"
    """backbone: train only the head; the backbone's norm layers keep their statistics"""
    batch_size: int = Field(64, ge=2)
    """images per optimizer step"""
    accumulation: int = Field(1, ge=1)
    """micro-batches per step, of at least two images each; their gradients are summed, which saves
    memory; batch norm computes its statistics per micro-batch"""
    on_out_of_memory: Literal["stop", "accumulate"] = "stop"
    """accumulate: restart the epoch with twice as many micro-batches"""
    optimizer: Literal["adamw", "adam", "sgd", "muon", "linear"] = "adamw"
    """sgd: Nesterov momentum 0.9; muon: timm's version, better for short training from scratch;
    linear: regularized logistic regression on features averaged over the views of tta"""
    lr: float = Field(1e-3, gt=0)
    """peak learning rate"""
    schedule: Literal["cosine", "constant"] = "cosine"
    """cosine: linear warm-up, then half a cosine to 0"""
    warmup: float = Field(0.25, ge=0, lt=1)
    """fraction of all steps for the warm-up"""
    weight_decay: float = Field(0.02, ge=0)
    """weight decay; none for biases and norm layers"""
    clip_norm: float | None = Field(None, gt=0)
    """maximum gradient norm; null: no clipping"""
    ema_decay: float = Field(0.998, ge=0, lt=1)
    """decay per step of the weights' moving average (EMA); 0: no EMA"""
    checkpoint: Literal["last", "best"] = "last"
    """best: keep the epoch with the best validation score, which makes that score optimistic"""
    class_balance: Literal["none", "weights", "sampling"] = "none"
    """balance the classes by weights in the loss, or by sampling them equally often"""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """fraction of the target spread evenly over all classes"""
    amp: Literal["auto", "bf16", "fp32"] = "auto"
    """precision; auto: bf16 on GPUs and CPUs with bf16 units, else fp32, as on T4 and P100"""
    deterministic: bool = False
    """on CUDA, use slower, deterministic kernels; CPUs are always deterministic"""
    graph: bool = True
    """on CUDA, launch each step as a whole (a CUDA graph) rather than kernel by kernel"""
    seed: int = Field(0, ge=0)
    """random seed for initial weights, image order, augmentation and dropout"""


class TTAConfig(base.Settings):
    """Views averaged at prediction."""

    dihedral: bool = True
    """the eight orientations: rotations by multiples of 90°, with and without mirroring"""
    angles: int = Field(1, ge=1)
    """number of rotation angles, spread evenly over [0°, 90°); multiplies the number of views"""
    zooms: tuple[Positive, ...] = Field((1.0,), min_length=1)
    """zoom factors; their count multiplies the number of views"""

    @property
    def n_views(self) -> int:
        """Number of views of an image."""
        orientations = 8 if self.dihedral else 1
        return orientations * self.angles * len(self.zooms)


class TeacherConfig(base.Settings):
    """Distillation: a trained run whose predictions are learned besides the labels."""

    run: str
    """a run trained on all folds of the same dataset, or bundled (the networks in weights/); fold k
    learns from its network of fold k, --refit from all of them"""
    weight: float = Field(0.5, ge=0, le=1)
    """weight of the teacher's prediction in a labeled galaxy's target; the label has the rest"""
    images: str | None = None
    """unlabeled images (folder, zip or list; path from the project root), trained on the teacher's
    predictions alone"""
    side_px: float = Field(float(ORIGINAL_PX), gt=0)
    """side of the sky in an unlabeled image, in pixels of the competition's images"""
    tta: TTAConfig | None = None
    """test-time views of the teacher; null: those of its own config"""


class Config(base.Settings):
    """Everything that determines a run's result, apart from the data and the machine."""

    run: str = ""
    """TASK/STEM, set when loaded"""
    task: str
    """columns to predict: a task of tasks/registry.py"""
    labels: dict[str, Any] | None = None
    """definition of a task with your own labels, set when loaded"""
    about: str = ""
    """description for tables and reports"""
    stage: str = ""
    """name of the stage of a recipe, set when loaded"""
    earlier: tuple["Config", ...] = ()
    """stages trained before this one, first to last; it starts from the last one's weights,
    including the head if both have the same columns; set when loaded"""
    predict: bool = False
    """for a stage before the last: also predict with its networks, as the run RECIPE@STAGE"""
    dataset: str | None = None
    """for a stage trained on another dataset: the name of that dataset in input/"""
    own_dataset: str | None = None
    """for a stage on another dataset: the recipe's dataset, whose test galaxies the stage excludes;
    set when loaded"""
    reference: str | None = None
    """published score, if the config reproduces a published recipe"""
    needs_gpu: bool = False
    """meant for a GPU: trained only if you name the run or its ensemble, not its task"""
    on_bad_image: Literal["stop", "drop"] = "stop"
    """if a new split has unusable training images: stop with an error, or drop them"""
    image: ImageConfig = ImageConfig()
    """the part of the image that the network sees, and its size"""
    model: ModelConfig
    """the network and its initial weights"""
    head: HeadConfig = HeadConfig()
    """hidden layers and output after the backbone"""
    loss: Literal["mse", "kl", "cross_entropy"] = "mse"
    """kl: Kullback-Leibler divergence per question; cross_entropy: the default for classes"""
    teacher: TeacherConfig | None = None
    """distillation: a trained run whose predictions are learned besides the labels"""
    augment: AugmentConfig = AugmentConfig()
    """random changes of training images"""
    train: TrainConfig = TrainConfig()
    """optimizer, schedule and length of training"""
    tta: TTAConfig = TTAConfig()
    """views averaged at prediction"""

    def digest(self, of: Literal["result", "weights", None] = None) -> str:
        """Digest of the settings that the result depends on, or the weights alone.

        Weights depend on no names, nor on views, but those of a linear head. The default is the
        result, of an earlier stage, which predicts nothing, the weights. `on_bad_image` does not
        count: the catalog's fingerprint covers which galaxies are in.
        """
        if of is None:
            of = "weights" if self.is_earlier_stage else "result"
        # The bundled head was not always kept
        digest = "bundled head" if self.stages[0].keeps_head else ""
        for stage in (*self.earlier, self):
            unused = {*_NOT_IN_DIGEST, "earlier"}  # earlier stages count by the digest before
            if stage.teacher is None:  # as before there were any
                unused.add("teacher")
            if of == "weights":
                unused.add("run")
                if stage.train.optimizer != "linear":
                    unused.add("tta")
            exclude: Any = {**dict.fromkeys(unused, True), "train": _NOT_OF_TRAIN}
            settings = stage.model_dump(mode="json", exclude=exclude)
            digest = digest_json([digest, settings])[:16]
        return digest

    @property
    def stages(self) -> "list[Config]":
        """The trainings of the recipe, first to last; this one is the last."""
        trainings = [*self.earlier, self]
        for number, training in enumerate(trainings):
            trainings[number] = training.model_copy(update={"earlier": self.earlier[:number]})
        return trainings

    @property
    def runs(self) -> "list[Config]":
        """List what the recipe trains, in order: its stages, and the runs made of them."""
        stages = self.stages
        runs = list(stages)
        for stage in stages:
            if stage.predict:
                runs.append(stage.model_copy(update={"run": f"{self.run}@{stage.stage}"}))
        return runs

    @property
    def keeps_head(self) -> bool:
        """Check whether the head of the network before is kept, which has the same columns."""
        if self.earlier:
            return self.earlier[-1].head_task == self.head_task
        is_of_votes = self.head_task == get_task(COMPETITION_TASK)
        return is_of_votes and self.model.weights_file == BUNDLED

    @property
    def predicted_task(self) -> Task:
        """The task whose columns the run predicts: that of its own labels, or one of `TASKS`."""
        if self.labels:
            return make_task(self.task, self.labels)
        return get_task(self.task)

    @property
    def head_task(self) -> Task:
        """The task whose columns the head has: the votes', where a rule makes classes of them."""
        if self.head.output == "rule":
            return get_task(COMPETITION_TASK)
        return self.predicted_task

    @property
    def metric(self) -> str:
        """Name of the score after each epoch."""
        return self.predicted_task.metric

    @property
    def is_earlier_stage(self) -> bool:
        """Check whether another stage starts from it; then it predicts nothing."""
        return is_stage(self.run)

    @property
    def title(self) -> str:
        """Name for messages: the run, of an earlier stage its recipe and stage."""
        return self.about if self.is_earlier_stage else self.run

    def dataset_of(self, stage: "Config", dataset: str) -> str:
        """Dataset that one of its stages is trained on; `dataset` is its own."""
        return stage.dataset or self.own_dataset or dataset

    @property
    def possible_leakage(self) -> bool:
        """Check whether the first weights were trained on Galaxy Zoo, maybe on these galaxies.

        So were Zoobot's encoders (`hf_hub:mwalmsley/zoobot-encoder-…`): the out-of-fold score of a
        network that starts from them may be memory.
        """
        models = [stage.model for stage in self.stages]
        origins = [f"{model.name} {model.weights_file or ''}".lower() for model in models]
        return any(_ZOOBOT in origin for origin in origins)


def parse_config(values: dict[str, Any], source: str) -> Config:
    """Check nested settings; an error names `source` and the key."""
    config = Config.parse(_with_task_defaults(values), source)
    if config.task not in TASKS and not config.labels:
        raise InputError(f"{source}: unknown task '{config.task}': choose from {', '.join(TASKS)}")
    problem = find_contradiction(config)
    if problem:
        raise InputError(f"{source}: {problem}")
    return config


def _with_task_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """The values with the defaults that depend on the kind of the task."""
    task = ClassTask if values.get("labels") else TASKS.get(str(values.get("task")))
    head = values.get("head", {})
    if task is None or not isinstance(head, dict):
        return values
    return {"loss": task.losses[0], **values, "head": {"output": task.outputs[0], **head}}


def find_contradiction(config: Config) -> str | None:
    """Find two settings, each valid alone, that do not go together; one line, or None."""
    task = config.predicted_task
    train = config.train
    loss = config.loss
    if config.image.cache_px > config.image.crop_px:
        return "image.cache_px must not exceed image.crop_px (the cache never enlarges images)"
    for key, value, allowed in (
        ("head.output", config.head.output, task.outputs),
        ("loss", loss, task.losses),
        ("train.class_balance", train.class_balance, task.class_balances),
    ):
        if value not in allowed:
            return f"{key} '{value}' is invalid for {task.name}: choose from {', '.join(allowed)}"
    if loss == "kl" and config.head.output != "tree":
        return (
            f"loss '{loss}' needs head.output=tree, which predicts probabilities: with "
            f"head.output={config.head.output}, use loss=mse"
        )
    if train.optimizer == "linear":
        problem = _find_with_linear(config)
        if problem:
            return problem
    if loss != "cross_entropy":
        if train.class_balance == "weights":
            return "train.class_balance=weights needs a cross-entropy loss"
        if train.label_smoothing:
            return "train.label_smoothing needs a cross-entropy loss"
    return _find_with_rule(config)


def _find_with_linear(config: Config) -> str | None:
    """Find what a logistic regression cannot have, or ignores."""
    task = config.predicted_task
    head = config.head
    train = config.train
    is_default = head.output == task.outputs[0] and config.loss == task.losses[0]
    if head.output == "tree":
        return f"train.optimizer=linear is for class tasks, not for {task.name}"
    if head.hidden != () or train.freeze != "backbone" or not is_default:
        return (
            "train.optimizer=linear needs train.freeze=backbone, head.hidden=[], "
            f"head.output={task.outputs[0]} and loss={task.losses[0]}"
        )
    unused = []
    if head.input_dropout:
        unused.append("head.input_dropout")
    if config.teacher:
        unused.append("teacher")
    if not config.stage:  # other stages of a recipe may use these, which are typed once for all
        if config.augment != AugmentConfig():
            unused.append("augment")
        if train.class_balance != "none":
            unused.append("train.class_balance")
        if train.label_smoothing:
            unused.append("train.label_smoothing")
    if unused:
        return f"remove settings that train.optimizer=linear ignores: {', '.join(unused)}"
    return None


def _find_with_rule(config: Config) -> str | None:
    by_rule = config.head.output == "rule"
    if by_rule and config.predicted_task.rule is None:
        return f"head.output=rule: task '{config.task}' has no label rule"
    if by_rule and config.train.class_balance != "none":
        return "head.output=rule needs train.class_balance=none, as rule has no bias per class"
    learned_votes = bool(config.earlier) and config.keeps_head
    if config.train.epochs == 0 and not (by_rule and learned_votes):
        return "train.epochs=0 needs head.output=rule after a stage that learned votes"
    return None


def is_stage(run: str) -> bool:
    """Check whether a run is an earlier stage of others, with networks but without tables."""
    return run.split("/")[-1].startswith(STAGE)
