"""LightGBM on features of a frozen network, a regressor a column; started by `others.py`."""

import sys
import time
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import timm
import torch
from other_timm import BATCH, TEST, Galaxies, imagenet_weights, read_votes
from torch import nn
from torch.utils.data import DataLoader


def main() -> None:
    """Print minutes and RMSE once: it takes the time it takes."""
    started = time.process_time()
    folder = Path(sys.argv[1])
    train_votes, test_votes = read_votes(folder)
    network = timm.create_model("mobilenetv2_100", num_classes=0, **imagenet_weights()).eval()
    features = compute(network, folder, train_votes)
    test_features = compute(network, folder, test_votes)
    predicted = np.empty(test_votes.shape)
    for number, column in enumerate(train_votes):
        regressor = lightgbm.LGBMRegressor(
            n_estimators=300,
            num_leaves=15,
            learning_rate=0.04,
            colsample_bytree=0.1,
            n_jobs=1,
            verbose=-1,
        )
        regressor.fit(features, train_votes[column])
        predicted[:, number] = regressor.predict(test_features)
    squares = (predicted.clip(0, 1) - test_votes.to_numpy()) ** 2
    print([(time.process_time() - started) / 60, float(np.sqrt(squares.mean()))])


def compute(network: nn.Module, folder: Path, votes: pd.DataFrame) -> np.ndarray:
    """(galaxy, feature) of all galaxies."""
    loader = DataLoader(Galaxies(folder, votes, TEST), BATCH)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        return np.concatenate([network(images).float().numpy() for images, _ in loader])


if __name__ == "__main__":
    main()
