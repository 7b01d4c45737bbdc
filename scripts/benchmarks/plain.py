"""The recipe as its source wrote it: Pillow, torchvision's transforms, a DataLoader, fp32.

Every image is opened, decoded in full and resized each time that it is seen. Written anew from the
description of a published student project; nothing in it is made slow on purpose.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils import data as torch_data
from torchvision import models, transforms

from galaxyzoo.data.prepare import Dataset

# ImageNet's, as training finds them
WEIGHTS = Path(os.environ.get("GALAXYZOO_WEIGHTS", "")) / "resnet18.imagenet.safetensors"
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Galaxies(torch_data.Dataset):
    """Images of a folder, and their votes."""

    def __init__(self, folder: Path, ids: np.ndarray, votes: np.ndarray, size: int, train: bool):
        self.paths = [folder / f"{galaxy_id}.jpg" for galaxy_id in ids]
        self.votes = torch.from_numpy(votes.astype(np.float32))
        flips = [transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip()]
        moves = [*flips, transforms.RandomRotation(20)] if train else []
        tail = [transforms.ToTensor(), transforms.Normalize(_MEAN, _STD)]
        self.transform = transforms.Compose([transforms.Resize((size, size)), *moves, *tail])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = Image.open(self.paths[index]).convert("RGB")
        return self.transform(image), self.votes[index]


def unpack(data: Dataset, folder: Path) -> None:
    """Write the training images to a folder, as the competition unpacks them."""
    folder.mkdir(parents=True)
    store = data.raw.train_images
    for galaxy_id in data.catalog.ids:
        (folder / f"{galaxy_id}.jpg").write_bytes(store.read(int(galaxy_id)))


def make_loader(
    folder: Path, data: Dataset, fold: int, size: int, train: bool
) -> torch_data.DataLoader:
    """Batches of 32 of every fold but one, or of that one, by two worker processes."""
    catalog = data.catalog
    some = (catalog.folds == fold) != train
    votes = catalog.targets("gz37")[some]
    galaxies = Galaxies(folder, catalog.ids[some], votes, size, train)
    return torch_data.DataLoader(
        galaxies, 32, shuffle=train, num_workers=2, persistent_workers=True
    )


def make_network() -> nn.Module:
    """ResNet18 with ImageNet weights, where they are at hand, and the recipe's head."""
    network = models.resnet18()
    if WEIGHTS.exists():
        network.load_state_dict(load_file(WEIGHTS), strict=False)
    hidden = [nn.Linear(network.fc.in_features, 512), nn.ReLU(), nn.Dropout(0.5)]
    network.fc = nn.Sequential(*hidden, nn.Linear(512, 37))
    return network


def make_optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's."""
    return torch.optim.Adam(network.parameters(), lr=1e-3)


def train_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator | torch_data.DataLoader
) -> int:
    """Train on all batches; returns how many images they held."""
    network.train()
    done = 0
    for images, votes in batches:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(images), votes)
        loss.backward()
        optimizer.step()
        loss.item()  # which the recipe adds up
        done += len(images)
    return done


@torch.no_grad()
def validate(network: nn.Module, loader: torch_data.DataLoader) -> float:
    """RMSE over the fold."""
    network.eval()
    squares = [((network(images) - votes) ** 2).mean(dim=1) for images, votes in loader]
    return float(torch.cat(squares).mean().sqrt())
