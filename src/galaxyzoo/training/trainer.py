"""Training loop of one fold: batches, steps, validation, moving average of weights, state.

Everything random depends only on (seed, fold, epoch, step), never on what ran before, so an epoch
that is started again after a kill replays exactly and no generator's state has to be saved.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from tqdm import tqdm

from galaxyzoo.config.schema import Config, TTAConfig
from galaxyzoo.core import distributed
from galaxyzoo.core.devices import (
    autocast,
    get_device,
    is_out_of_memory,
    place,
    prepare_to_train,
    read_later,
)
from galaxyzoo.core.errors import FoldError, one_line
from galaxyzoo.core.parallel import prefetch
from galaxyzoo.core.paths import shown
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.inference.artifacts import load_weights
from galaxyzoo.inference.predict import predict_distributed
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.models.losses import build_loss, part_weight
from galaxyzoo.models.pretrained import fill_network
from galaxyzoo.results.oof import FoldSummary
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.augmentation import augment_batch
from galaxyzoo.training.device_input import DeviceInput, Unmade, draw, is_made_on_device
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.loader import Batch, prefetch_to_device
from galaxyzoo.training.optim import build_optimizer, learning_rate, set_learning_rate
from galaxyzoo.training.step_graph import StepGraph

_ONE_VIEW = TTAConfig(dihedral=False)
_FIRST_GALAXIES = 256  # on which the untrained network's loss is taken
_HINT = "train anew with a lower train.lr, or with train.clip_norm"


class Trainer:
    """Network, optimizer and data of a fold in training."""

    def __init__(self, config: Config, data: FoldData, initialise: bool = True) -> None:
        self.config, self.data, self.device = config, data, get_device()
        prepare_to_train(self.device, config.train.deterministic)
        self.task = get_task(config.task)
        labels = data.targets[data.train_rows]
        # Class frequencies; a class that a short probe lacks counts as one galaxy.
        self.prior = np.maximum(labels.mean(axis=0), 1 / len(labels))
        self.class_weights = self._class_weights()
        self.loss = build_loss(config, self.class_weights)
        torch.manual_seed(_seed(config, data.fold))
        model = build_model(config, initialise and data.start_weights is None)
        self.start = model.start.origin
        if initialise and data.start_weights is not None:
            weights, source = load_weights(data.start_weights), shown(data.start_weights)
            fill_network(model, weights, source, config.keeps_head)
            self.start = data.start
        self.model = distributed.share_norms(place(model, self.device), self.device)
        self.network: nn.Module = self.model  # wrapped for compilation or several processes
        decay = config.train.ema_decay
        self.ema = ModelEmaV3(self.model, decay=decay, use_warmup=True) if decay else None
        in_graph = self.device.type == "cuda" and config.train.graph and distributed.count() == 1
        self.optimizer = build_optimizer(self.model, config.train, in_graph)
        self.graph: StepGraph | None = None  # else a step is launched kernel by kernel
        if in_graph:
            self.graph = StepGraph(self.model, self.optimizer)
        self.steps_per_epoch = math.ceil(len(data.train_rows) / config.train.batch_size)
        self.parts = config.train.accumulation  # of each batch, worked through one by one
        self.epoch = 0
        self.first_loss: float | None = None  # of the untrained network
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        wanted = data.targets if data.soft_targets is None else data.soft_targets
        self.targets = torch.from_numpy(wanted.astype(np.float32))
        self.input: DeviceInput | None = None  # else the processor makes batches
        if self.device.type == "cuda" and is_made_on_device(config.augment):
            self.input = DeviceInput.on(self.device, data.cache.images, config.image.size_px)
        elif self.device.type == "cuda":
            _say_once("augment.transforms: made by the processor, image by image, not by the GPU")

    def run_epoch(self, bar: tqdm) -> dict[str, Any]:
        """Train one epoch, validate, and add a row to the history."""
        train = self.config.train
        self.model.train()
        self.network = distributed.average_gradients(self.model)
        if train.compile:
            self.network = cast(nn.Module, torch.compile(self.network))
        if self.epoch == 0:
            self.first_loss = self.untrained_loss()
        seed = _seed(self.config, self.data.fold, self.epoch) + distributed.rank()
        torch.manual_seed(seed)  # dropout
        sizes, values = [], []
        for loss, rows in self._steps():
            values.append(loss)
            self._check_loss(values[-1], rows)
            sizes.append(len(rows))
            bar.update()
        distributed.copy_buffers(self.model, self.averaged_model)
        self._check_weights()
        val_loss, val_scores = self.validate()
        if not math.isfinite(val_loss):
            raise FoldError(f"{self._where}: the validation loss is {val_loss}: {_HINT}")
        self.epoch += 1
        row = {
            **({"stage": self.config.stage} if self.config.stage else {}),
            "epoch": self.epoch,
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "train_loss": float(np.average(values, weights=sizes)),
            "val_loss": val_loss,
            "metric": self.config.metric,
            **val_scores,
        }
        self.history.append(row)
        if train.checkpoint == "best" and self._best_row is row:
            weights = self.averaged_model.state_dict()
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        return row

    def final_weights(self) -> dict[str, Tensor]:
        """Weights of the best epoch if the config asks for it, else of the last.

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
        best = self.config.train.checkpoint == "best"
        # Nothing is trained where a rule makes classes of the votes of the stage before.
        kept = (self._best_row if best else self.history[-1]) if self.history else {}
        return FoldSummary(
            self.start,
            self.first_loss,
            kept.get("train_loss"),
            self.parts,
            possible_leakage=self.data.possible_leakage,
        )

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "ema": self.ema.module.state_dict() if self.ema else {},
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "best": self.best,
            "start": self.start,
            "parts": self.parts,
            "first_loss": self.first_loss,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.model.load_state_dict(state["model"])
        if self.ema:
            self.ema.module.load_state_dict(state["ema"])
        # What steps in a graph need, which the training before may have had or not.
        groups = zip(state["optimizer"]["param_groups"], self.optimizer.param_groups, strict=True)
        for saved, own in groups:
            saved |= {name: own[name] for name in ("lr", "capturable") if name in own}
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.history = state["epoch"], state["history"]
        self.best, self.start = state["best"], state["start"]
        self.first_loss = state["first_loss"]

    def _steps(self) -> Iterator[tuple[float, np.ndarray]]:
        """Train an epoch; yield each step's loss and rows after the next step has been begun.

        So a GPU has work while its losses are looked at.
        """
        first, before = self.epoch * self.steps_per_epoch, None
        for number, batch in enumerate(self.batches(), first):
            read = read_later(self.step(number, batch))
            if before:
                yield before[0](), before[1]
            before = read, batch.rows
        if before:
            yield before[0](), before[1]

    def step(self, number: int, batch: Batch) -> Tensor:
        """One optimizer step; returns the batch's loss."""
        train = self.config.train
        set_learning_rate(self.optimizer, learning_rate(train, number, self.steps_per_epoch))
        value = self._launch(batch.images, batch.targets)
        if self.ema:
            self.ema.update(self.model, step=number + 1)
        return distributed.add_up(value)

    def _launch(self, images: Tensor, targets: Tensor) -> Tensor:
        """Take a step as one launch, or where that cannot be, kernel by kernel."""
        if self.graph is not None:
            try:
                return self.graph(self._take_step, images, targets)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                reason = one_line(str(error).partition("\n")[0])
                _say_once(f"{self.config.run}: steps are not launched as a whole ({reason})")
                self.graph = None
        return self._take_step(images, targets)

    def _take_step(self, images: Tensor, targets: Tensor) -> Tensor:
        """One optimizer step at the learning rate that is set; returns the loss."""
        self.optimizer.zero_grad()
        value = torch.zeros((), device=self.device)
        for loss in self.part_losses(self.network, images, targets):
            (loss * distributed.count()).backward()  # of which the mean over processes is taken
            value += loss.detach()
        if self.config.train.clip_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.clip_norm)
        self.optimizer.step()
        return value

    def part_losses(self, network: nn.Module, images: Tensor, targets: Tensor) -> Iterator[Tensor]:
        """Losses of a batch's parts, scaled so that they add up to the loss of the whole batch.

        The sum runs over all processes, each of which has parts of its own.

        Args:
            network: that predicts.
            images: (B, 3, H, W) of this process.
            targets: (B, column) of all processes.
        """
        whole = part_weight(targets, self.class_weights)
        targets = targets[distributed.own_part(len(targets))]
        parts = min(self.parts, max(1, len(targets) // 2))  # batch norm needs two images
        pairs = zip(images.tensor_split(parts), targets.tensor_split(parts), strict=True)
        for number, (some, wanted) in enumerate(pairs, 1):
            with distributed.keep_apart(network) if number < parts else nullcontext():
                with autocast(self.config.train.amp, self.device):
                    predictions = network(some)
                share = part_weight(wanted, self.class_weights) / whole
                yield self.loss(predictions.float(), wanted) * share

    @torch.no_grad()
    def untrained_loss(self) -> float:
        """Mean loss of the untrained network over the first galaxies of the epoch.

        The training that follows does not depend on it. The first batch alone would be too few
        galaxies to compare with.
        """
        torch.manual_seed(_seed(self.config, self.data.fold, self.epoch))
        model = copy.deepcopy(self.model)  # in training mode, norms update their statistics
        count = math.ceil(_FIRST_GALAXIES / self.config.train.batch_size)
        losses, sizes = [], []
        for batch in islice(self.batches(), count):
            losses_of_parts = self.part_losses(model, batch.images, batch.targets)
            own = sum(losses_of_parts, start=torch.zeros((), device=self.device))
            losses.append(distributed.add_up(own).item())
            sizes.append(len(batch.rows))
            self._check_loss(losses[-1], batch.rows)
        return float(np.average(losses, weights=sizes))

    @property
    def _where(self) -> str:
        return f"{self.config.run}, fold {self.data.fold}, epoch {self.epoch + 1}"

    def _check_loss(self, loss: float, rows: np.ndarray) -> None:
        if not math.isfinite(loss):
            ids = ", ".join(map(str, self.data.cache.ids[rows]))
            raise FoldError(
                f"{self._where}: the loss is {loss}: {_HINT}; GalaxyIDs of the batch: {ids}"
            )

    def _check_weights(self) -> None:
        """Refuse weights that are not finite: no loss has been taken since the last step."""
        networks = [self.model, *([self.ema.module] if self.ema else [])]
        for name, tensor in (pair for net in networks for pair in net.state_dict().items()):
            if not tensor.isfinite().all():
                raise FoldError(f"{self._where}: weights in {name} are not finite: {_HINT}")

    def batches(self) -> Iterator[Batch]:
        """This epoch's batches in order, on the device."""
        key = (self.config.train.seed, self.data.fold, self.epoch)
        order = self._draw_order(np.random.default_rng(key))
        # Of nearly equal size: no tiny last batch for batch norm. Rows ascend: the cache is read
        # forwards.
        batches = [np.sort(rows) for rows in np.array_split(order, self.steps_per_epoch)]

        def prepare(step: int) -> Any:
            # Not `step`: numpy takes a key's missing end for 0, which is the order's own stream.
            return self._make_batch(batches[step], np.random.default_rng((*key, step + 1)))

        sent = prefetch_to_device(prefetch(prepare, len(batches)), self.device)
        yield from map(self.input.make, sent) if self.input else sent

    def _make_batch(self, rows: np.ndarray, rng: np.random.Generator) -> Batch | Unmade:
        """A batch by the processor, or what the device makes one of."""
        augment, image = self.config.augment, self.config.image
        part = distributed.own_part(len(rows))
        if self.input is not None:
            draws = draw(image, augment, len(rows), rng)
            return self.input.prepare(rows, draws, self.targets[rows], part)
        # Transforms draw image by image, so a part of a batch cannot be made without the rest.
        made = slice(0, len(rows)) if augment.transforms else part
        images = augment_batch(
            self.data.cache.images[rows[made]], image, augment, rng, (len(rows), made)
        )
        own = images[part] if augment.transforms else images
        return Batch(rows, to_tensor(own), self.targets[rows])

    def _draw_order(self, rng: np.random.Generator) -> np.ndarray:
        """(galaxy,) rows of one epoch in random order; sampled classes come equally often."""
        rows = self.data.train_rows
        if self.config.train.class_balance != "sampling":
            return rng.permutation(rows)
        weights = self.data.targets[rows] @ (1 / self.prior)
        return rng.choice(rows, len(rows), p=weights / weights.sum())

    def _class_weights(self) -> Tensor | None:
        """(class,) weights in the loss, inverse to the classes' frequencies; None: all alike."""
        if self.config.train.class_balance != "weights":
            return None
        weights = 1 / (self.prior * len(self.prior))
        return torch.from_numpy(weights.astype(np.float32)).to(self.device)

    def validate(self) -> tuple[float, dict[str, float]]:
        """Loss and scores of the averaged weights on the validation fold, one view an image."""
        rows = self.data.val_rows
        model = self.averaged_model
        predictions = predict_distributed(model, self.data.cache, rows, self.config, _ONE_VIEW)
        guess, wanted = torch.from_numpy(predictions), self.targets[rows]
        guess, wanted = guess.to(self.device), wanted.to(self.device)
        loss = self.loss(guess, wanted).item()
        targets = self.data.targets[rows]
        scores = {"val_score": self.task.score(predictions, targets)}
        more = self.task.quick_scores(predictions, targets)
        scores |= {f"val_{name}": value for name, value in more.items()}
        return loss, scores

    @property
    def averaged_model(self) -> GalaxyNet:
        """The network with the moving average of the weights, if there is one."""
        return self.ema.module if self.ema else self.model

    @property
    def _best_row(self) -> dict[str, Any]:
        """The best epoch's, of equal ones the first."""
        return min(self.history, key=lambda row: row["val_score"])


@cache
def _say_once(line: str) -> None:
    tqdm.write(line)


def _seed(config: Config, fold: int, epoch: int = -1) -> int:
    """A seed for torch that differs for every (seed, fold, epoch)."""
    return int(np.random.SeedSequence((config.train.seed, fold, epoch + 1)).generate_state(1)[0])
