"""Training loop of one fold: steps, validation, moving average of weights, state.

Everything random depends only on (seed, fold, epoch, step), never on what ran before, so an epoch
that is started again after a kill replays exactly and no generator's state has to be saved.
"""

import copy
import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from galaxyzoo.config.schema import Config, TTAConfig
from galaxyzoo.core import console, devices, memory, paths, transfer
from galaxyzoo.core.errors import DivergenceError, one_line
from galaxyzoo.inference.network import predict
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.models.losses import build_loss, weight_in_mean
from galaxyzoo.models.placement import place
from galaxyzoo.models.weights import fill_network, load_weights
from galaxyzoo.results.fold_files import FoldSummary
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.loader import Batch, BatchLoader
from galaxyzoo.training.optim import build_optimizer, learning_rate, set_learning_rate
from galaxyzoo.training.step_graph import StepGraph

_ONE_VIEW = TTAConfig(dihedral=False)
_FIRST_GALAXIES = 256  # on which the untrained network's loss is taken
_HINT = "retrain with a lower train.lr, or with train.clip_norm"


class Trainer:
    """Network, optimizer and data of a fold in training."""

    def __init__(self, config: Config, data: FoldData, initialize: bool = True) -> None:
        self.config = config
        self.data = data
        self.device = devices.get_device()
        devices.prepare_to_train(self.device, config.train.deterministic)
        self.task = config.predicted_task
        labels = data.targets[data.train_rows]
        # Class frequencies; a class that a short probe lacks counts as one galaxy.
        self.prior = np.maximum(labels.mean(axis=0), 1 / len(labels))
        self.class_weights: Tensor | None = None  # (class,) in the loss; None: all alike
        sampling = None  # weights of classes, by which galaxies are drawn; None: all alike
        if config.train.class_balance == "weights":  # inverse to the frequencies
            weights = 1 / (self.prior * len(self.prior))
            self.class_weights = torch.from_numpy(weights.astype(np.float32)).to(self.device)
        elif config.train.class_balance == "sampling":  # so that classes come equally often
            sampling = 1 / self.prior
        self.loss = build_loss(config, self.class_weights)
        self.loader = BatchLoader(config, data, self.device, sampling)
        torch.manual_seed(_seed(config, data.part.stream))
        model, self.start = first_network(config, data, initialize)
        self.model = place(model, self.device)
        self.ema: ModelEmaV3 | None = None
        if config.train.ema_decay:
            self.ema = ModelEmaV3(self.model, decay=config.train.ema_decay, use_warmup=True)
        in_graph = self.device.type == "cuda" and config.train.graph
        self.optimizer = build_optimizer(self.model, config.train, in_graph)
        self.graph: StepGraph | None = None  # then a step is launched kernel by kernel
        if in_graph:
            self.graph = StepGraph(self.model, self.optimizer)
        self.micro_batches = config.train.accumulation  # of each batch, worked through one by one
        self.epoch = 0
        self.first_loss: float | None = None  # of the untrained network
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}

    def epochs(self, after_step: Callable[[], object] = lambda: None) -> Iterator[dict[str, Any]]:
        """Train epoch by epoch: steps, moving average, validation, a row of the history.

        Args:
            after_step: called after each optimizer step.
        Yields:
            The row of each epoch, once it is validated. Whoever stops asking for more ends the
            training, which can be resumed.
        Raises:
            DivergenceError: a loss or a weight is not finite.
        Examples:
            >>> from galaxyzoo.config.loading import load_config
            >>> from galaxyzoo.training.probe import random_fold
            >>> config = load_config("gz37/cnn", ["train.epochs=1", "image.size_px=32"])
            >>> trainer = Trainer(config, random_fold(config, 64))
            >>> [row["metric"] for row in trainer.epochs()]
            ['RMSE']
        """
        while self.epoch < self.config.train.epochs:
            self.model.train()
            if self.epoch == 0:
                self.first_loss = self.untrained_loss()
            torch.manual_seed(_seed(self.config, self.data.part.stream, self.epoch))  # dropout
            losses: list[float] = []
            steps: list[tuple[Callable[[], float], np.ndarray]] = []  # reads a loss; rows
            for number, batch in enumerate(self.batches(), self.epoch * self.loader.steps):
                steps.append((transfer.read_async(self.step(number, batch)), batch.rows))
                if len(steps) > 1:  # only now, so a GPU has work while a loss is looked at
                    losses.append(self._checked_loss(*steps[-2]))
                after_step()
            losses.append(self._checked_loss(*steps[-1]))
            self._check_weights()
            # A training on all galaxies holds out none.
            val_loss, val_scores = self.validate() if len(self.data.val_rows) else (None, {})
            if val_loss is not None and not math.isfinite(val_loss):
                raise DivergenceError(f"{self._place}: the validation loss is {val_loss}: {_HINT}")
            self.epoch += 1
            lr = float(self.optimizer.param_groups[0]["lr"])
            train_loss = float(np.average(losses, weights=[len(rows) for _, rows in steps]))
            row = history_row(self.config, self.epoch, lr, train_loss, val_loss, val_scores)
            self.history.append(row)
            if self._keeps_best and self._best_row is row:
                state = self.averaged_model.state_dict()
                self.best = {name: value.detach().cpu().clone() for name, value in state.items()}
            yield row

    def final_weights(self) -> dict[str, Tensor]:
        """Return the weights of the best epoch if the config asks for it, else of the last.

        Where classes were balanced in training, their frequencies are added to the last bias:
        softmax(logits + log(prior)) is proportional to probability times prior.

        Source: Saerens et al. 2002 (Neural Computation 14), equation 2.4.
        """
        weights = dict(self.best or self.averaged_model.state_dict())
        if self.config.train.class_balance != "none":
            name = f"head.{len(self.model.head) - 1}.bias"
            log_prior = torch.from_numpy(np.log(self.prior).astype(np.float32))
            weights[name] = weights[name] + log_prior.to(weights[name].device)
        return weights

    def summary(self) -> FoldSummary:
        """Summary of the finished training."""
        # Nothing is trained where a rule makes classes of the votes of the stage before.
        last_row: dict[str, Any] = {}
        if self.history:
            last_row = self._best_row if self._keeps_best else self.history[-1]
        return FoldSummary(
            self.start,
            first_loss=self.first_loss,
            last_loss=last_row.get("train_loss"),
            possible_leakage=self.data.possible_leakage,
        )

    def state(self) -> dict[str, Any]:
        """State that the next epoch depends on, for a checkpoint."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "ema": self.ema.module.state_dict() if self.ema else {},
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "best": self.best,
            "start": self.start,
            "parts": self.micro_batches,
            "first_loss": self.first_loss,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.model.load_state_dict(state["model"])
        if self.ema:
            self.ema.module.load_state_dict(state["ema"])
        # CUDA graphs need these as they are here; the checkpoint may come from elsewhere.
        groups = zip(state["optimizer"]["param_groups"], self.optimizer.param_groups, strict=True)
        for saved, current in groups:
            for setting in ("lr", "capturable"):
                if setting in current:
                    saved[setting] = current[setting]
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.history = state["history"]
        self.best = state["best"]
        self.start = state["start"]
        self.first_loss = state["first_loss"]

    def step(self, number: int, batch: Batch) -> Tensor:
        """Take an optimizer step; return the batch's loss."""
        train = self.config.train
        set_learning_rate(self.optimizer, learning_rate(train, number, self.loader.steps))
        value = self._launch(batch.images, batch.targets)
        if self.ema:
            self.ema.update(self.model, step=number + 1)
        return value

    def _launch(self, images: Tensor, targets: Tensor) -> Tensor:
        """Take a step as one CUDA graph, or kernel by kernel if it cannot be recorded."""
        if self.graph is not None:
            try:
                return self.graph(self._take_step, images, targets)
            except RuntimeError as error:
                if memory.is_out_of_memory(error):
                    raise
                reason = one_line(str(error).partition("\n")[0])
                console.warn_once(f"{self.config.title}: training without CUDA graphs ({reason})")
                self.graph = None
        return self._take_step(images, targets)

    def _take_step(self, images: Tensor, targets: Tensor) -> Tensor:
        """Take an optimizer step at the learning rate that is set; return the loss."""
        self.optimizer.zero_grad()
        value = torch.zeros((), device=self.device)
        for loss in self.micro_batch_losses(self.model, images, targets):
            loss.backward()
            value += loss.detach()
        if self.config.train.clip_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip_norm)
        self.optimizer.step()
        return value

    def micro_batch_losses(
        self, network: nn.Module, images: Tensor, targets: Tensor
    ) -> Iterator[Tensor]:
        """Losses of a batch's micro-batches, scaled so that they add up to that of the batch.

        Args:
            network: that predicts.
            images: (B, 3, H, W).
            targets: (B, column).
        """
        whole = weight_in_mean(targets, self.class_weights)
        count = min(self.micro_batches, max(1, len(targets) // 2))  # batch norm needs two images
        pairs = zip(images.tensor_split(count), targets.tensor_split(count), strict=True)
        for micro_images, micro_targets in pairs:
            with devices.autocast(self.config.train.amp, self.device):
                predictions = network(micro_images)
            share = weight_in_mean(micro_targets, self.class_weights) / whole
            yield self.loss(predictions.float(), micro_targets) * share

    @torch.no_grad()
    def untrained_loss(self) -> float:
        """Mean loss of the untrained network over the first galaxies of the epoch.

        The training that follows does not depend on it. The first batch alone would be too few
        galaxies to compare with.
        """
        torch.manual_seed(_seed(self.config, self.data.part.stream, self.epoch))
        model = copy.deepcopy(self.model)  # in training mode, norms update their statistics
        count = math.ceil(_FIRST_GALAXIES / self.config.train.batch_size)
        losses = []
        sizes = []
        for batch in islice(self.batches(), count):
            micro_losses = self.micro_batch_losses(model, batch.images, batch.targets)
            loss = sum(micro_losses, start=torch.zeros((), device=self.device))
            losses.append(self._checked_loss(loss.item, batch.rows))
            sizes.append(len(batch.rows))
        return float(np.average(losses, weights=sizes))

    @property
    def _place(self) -> str:
        """Run, fold and epoch, for messages."""
        return f"{self.config.title}, {self.data.part.title}, epoch {self.epoch + 1}"

    def _checked_loss(self, read: Callable[[], float], rows: np.ndarray) -> float:
        """Read the loss of a batch of these rows; an error names them where it is not finite."""
        loss = read()
        if math.isfinite(loss):
            return loss
        ids = ", ".join(map(str, self.data.ids[rows]))
        raise DivergenceError(
            f"{self._place}: the loss is {loss}: {_HINT}; GalaxyIDs in the batch: {ids}"
        )

    def _check_weights(self) -> None:
        """Refuse weights that are not finite: no loss has been taken since the last step."""
        networks: list[nn.Module] = [self.model]
        if self.ema:
            networks.append(self.ema.module)
        for network in networks:
            for name, tensor in network.state_dict().items():
                if not tensor.isfinite().all():
                    raise DivergenceError(
                        f"{self._place}: weights in {name} are not finite: {_HINT}"
                    )

    def batches(self) -> Iterator[Batch]:
        """This epoch's batches in order, on the device."""
        return self.loader.epoch(self.epoch)

    def validate(self) -> tuple[float, dict[str, float]]:
        """Loss and scores of the averaged weights on the validation fold, one view an image.

        Where classes are balanced, the loss is that of training, and the scores are of
        probabilities times class frequencies, as `final_weights` gives them.
        """
        rows = self.data.val_rows
        model = self.averaged_model
        predictions = predict(model, self.data.cache, rows, self.config, _ONE_VIEW)
        outputs = torch.from_numpy(predictions).to(self.device)
        loss = self.loss(outputs, self.loader.targets[rows].to(self.device)).item()
        if self.config.train.class_balance != "none":
            predictions = predictions * self.prior
            predictions /= predictions.sum(axis=1, keepdims=True)
        targets = self.data.targets[rows]
        scores = {"val_score": self.task.score(predictions, targets)}
        for metric, value in self.task.epoch_metrics(predictions, targets).items():
            scores[f"val_{metric}"] = value
        return loss, scores

    @property
    def averaged_model(self) -> GalaxyNet:
        """The network with the moving average of the weights, if there is one."""
        return self.ema.module if self.ema else self.model

    @property
    def _keeps_best(self) -> bool:
        return self.config.train.checkpoint == "best" and len(self.data.val_rows) > 0

    @property
    def _best_row(self) -> dict[str, Any]:
        """Row of the best epoch, the first of equals."""
        return min(self.history, key=lambda row: row["val_score"])


def history_row(
    config: Config,
    epoch: int,
    lr: float,
    train_loss: float,
    val_loss: float | None,
    val_scores: dict[str, float],
) -> dict[str, Any]:
    """An epoch's row of the history, with its stage where a recipe has several."""
    row: dict[str, Any] = {}
    if config.stage:
        row["stage"] = config.stage
    row |= {"epoch": epoch, "lr": lr, "train_loss": train_loss, "val_loss": val_loss}
    return {**row, "metric": config.metric, **val_scores}


def first_network(config: Config, data: FoldData, initialize: bool = True) -> tuple[GalaxyNet, str]:
    """Build the network of a fold with its first weights; returns their origin too."""
    model = build_model(config, initialize and data.weights is None)
    if not initialize or data.weights is None:
        return model, model.start.provenance
    weights = load_weights(data.weights)
    fill_network(model, weights, paths.shown(data.weights), config.keeps_head)
    return model, data.origin


def _seed(config: Config, stream: int, epoch: int = -1) -> int:
    """A seed for torch that differs for every (seed, stream, epoch)."""
    return int(np.random.SeedSequence((config.train.seed, stream, epoch + 1)).generate_state(1)[0])
