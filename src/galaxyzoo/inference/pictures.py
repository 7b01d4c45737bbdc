"""Predict pictures from Python: arrays and PIL images in memory, or files."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from galaxyzoo.core.console import count
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.decoding import over_black
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import read_settings_of
from galaxyzoo.inference.predict import Predictor, decode_ahead, predict_stores
from galaxyzoo.io.tables import NAME

Picture = np.ndarray | Image.Image
PathName = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Model:
    """A trained run or ensemble that predicts pictures; `galaxyzoo.load` makes it."""

    name: str  # gz37/d4cnn, ensemble:gz37
    dataset: str  # that it was trained on
    predictor: Predictor = field(repr=False)

    def predict(
        self, images: np.ndarray | Image.Image | PathName | Iterable[Picture] | Iterable[PathName]
    ) -> pd.DataFrame:
        """Predict pictures, each with one galaxy in its middle.

        A picture in memory is treated like a PNG file of the same pixels. Give JPEGs as paths: they
        are shrunk while they are decoded, as in training; decoded before, they give votes that
        differ by up to 0.01.

        Args:
            images: (n, H, W, 3) or (H, W, 3) uint8 RGB; a PIL image; a list of such pictures, of
                any sizes; or paths of image files, folders, zips, archives, lists, one or more,
                also as a column of a DataFrame.
        Returns:
            (n, column) vote fractions or class probabilities. Pictures in memory keep their order
            and are numbered from 0 in the index `id`; files are indexed as by `predict_stores`,
            without those that cannot be read, of which a warning tells.
        Raises:
            InputError: another shape or type, or no picture that can be read.
        Examples:
            >>> from galaxyzoo import load
            >>> images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
            >>> table = load(folds=[0], views=1).predict(images)
            >>> table[["Class1.1", "Class1.2", "Class1.3"]].sum(axis=1).round(3).tolist()
            [1.0, 1.0, 1.0]
        """
        listed = list_images(images)
        if not listed:
            raise InputError("no images to predict")
        are_paths = [isinstance(image, str | os.PathLike) and image != "" for image in listed]
        if not are_paths[0]:
            return self._predict_pictures(listed)
        if not all(are_paths):  # such as an empty cell of a column
            raise InputError(f"image {are_paths.index(False)} is not a path, but image 0 is")
        settings = read_settings_of(self.dataset)
        paths = [Path(path) for path in listed]
        table, unreadable = predict_stores(self.predictor, paths, settings)
        if unreadable:
            name, reason = unreadable[0]
            images = count(len(unreadable) + len(table), "image")
            warnings.warn(
                f"skipped {len(unreadable):,} of {images} (first: {name}: {reason})", stacklevel=2
            )
        return table

    def _predict_pictures(self, pictures: list[Any]) -> pd.DataFrame:
        """Predict pictures in memory; an InputError names one that cannot be predicted."""
        arrays = [to_pixels(picture, i) for i, picture in enumerate(pictures)]
        names = [f"image {i}" for i in range(len(arrays))]
        images = Images.of(Path(), names, 0, arrays.__getitem__)
        predictions = []
        for chunk in decode_ahead(self.predictor, images):
            for name, reason in chunk.problems:
                raise InputError(f"{name}: {reason}")
            predictions.append(self.predictor.predict(chunk.decode))
        columns = list(self.predictor.task.columns)
        return pd.DataFrame(np.concatenate(predictions), columns=columns).rename_axis(NAME)


def list_images(images: Any) -> list[Any]:
    """List the pictures or paths of an argument, which may be one of them."""
    is_single = isinstance(images, str | bytes) or getattr(images, "ndim", 1) in (0, 2, 3)
    if is_single or not isinstance(images, Iterable):
        return [images]
    return list(images)


def to_pixels(image: object, number: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels of an array or a PIL image; `number` is for messages.

    Other types, shapes and depths are an InputError.
    """
    if isinstance(image, Image.Image):
        if image.mode.startswith(("I", "F")):
            raise InputError(f"image {number} has PIL mode {image.mode}: convert it to 8 bits")
        if image.has_transparency_data:
            pixels = np.asarray(image.convert("RGBA"))
            return over_black(pixels[..., :3], pixels[..., 3])
        return np.asarray(image.convert("RGB"))
    kind = type(image).__name__
    if isinstance(image, np.ndarray):
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
            return image
        kind = f"{image.dtype} of shape {image.shape}"
    raise InputError(
        f"image {number} is {kind}; expected RGB pixels from 0 to 255, uint8 of shape (H, W, 3)"
    )
