"""A plain fine-tune with timm and torchvision, as tutorials have it; started by `others.py`."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

SIZE_PX, BATCH = 80, 64
_LR = 1e-3
_LAST = [
    transforms.CenterCrop(SIZE_PX),
    transforms.ToTensor(),
    transforms.Normalize([0.5] * 3, [0.5] * 3),
]
TEST = transforms.Compose(_LAST)
_TRAIN = transforms.Compose(
    [
        transforms.RandomHorizontalFlip(),
        transforms.RandomAffine(
            180, scale=(0.8, 1.25), interpolation=transforms.InterpolationMode.BILINEAR
        ),
        *_LAST,
    ]
)


class Galaxies(Dataset[tuple[Tensor, Tensor]]):
    """Pictures and votes."""

    def __init__(self, folder: Path, votes: pd.DataFrame, transform: Any) -> None:
        self.paths = [folder / name for name in votes.index]
        self.votes = torch.tensor(votes.to_numpy(np.float32))
        self.transform = transform

    def __len__(self) -> int:
        """Number of galaxies."""
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        """A picture and its votes."""
        return self.transform(Image.open(self.paths[row])), self.votes[row]


def read_votes(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Votes of the galaxies to train on, and of those held out."""
    votes = pd.read_csv(folder / "votes.csv", index_col="file")
    held_out = votes.pop("held_out")
    return votes[~held_out], votes[held_out]


def imagenet_weights() -> dict[str, Any]:
    """Options of `timm.create_model` for MobileNetV2's weights, from a file if there is one."""
    options: dict[str, Any] = {"pretrained": True}
    folder = os.environ.get("GALAXYZOO_WEIGHTS")
    if folder:
        path = Path(folder, "mobilenetv2_100.imagenet.safetensors")
        options["pretrained_cfg_overlay"] = {"file": str(path)}
    return options


def epochs_in(minutes: float, trial: list[float]) -> int:
    """Number of epochs that fit, two at least, if each costs as much as a trial's last."""
    before, after = trial[-2:]
    return max(2, len(trial) - 1 + int((minutes - before) / (after - before)))


def train(folder: Path, epochs: int, silent: bool = False) -> list[float]:
    """Train so many epochs, print minutes and RMSE after each; returns the minutes."""
    started = time.process_time()
    train_votes, test_votes = read_votes(folder)
    loader = DataLoader(Galaxies(folder, train_votes, _TRAIN), BATCH, shuffle=True, drop_last=True)
    test_loader = DataLoader(Galaxies(folder, test_votes, TEST), BATCH)
    network: Any = timm.create_model(
        "mobilenetv2_100", num_classes=train_votes.shape[1], **imagenet_weights()
    )
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), _LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LR, epochs * len(loader))
    minutes = []
    for _ in range(epochs):
        network.train()
        for images, votes in loader:
            with torch.autocast("cpu", torch.bfloat16):
                outputs = network(images.to(memory_format=torch.channels_last))
            loss = nn.functional.mse_loss(outputs.float().sigmoid(), votes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        network.eval()
        squares = []
        for images, votes in test_loader:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                outputs = network(images.to(memory_format=torch.channels_last))
            squares.append((outputs.float().sigmoid() - votes).square())
        minutes.append((time.process_time() - started) / 60)
        if not silent:
            print([minutes[-1], float(torch.cat(squares).mean().sqrt())], flush=True)
    return minutes


def main() -> None:
    """Train for as many epochs as there is time."""
    folder, minutes = Path(sys.argv[1]), float(sys.argv[2])
    train(folder, epochs_in(minutes, train(folder, 2, silent=True)))


if __name__ == "__main__":
    main()
