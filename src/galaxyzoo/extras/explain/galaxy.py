"""Load a galaxy to explain: image, known votes, prediction."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.options import select
from galaxyzoo.core.paths import shown
from galaxyzoo.data import geometry, prepare
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.stores.opening import read_settings_of
from galaxyzoo.extras.formats import fits_file
from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from galaxyzoo.io.tables import ID, GalaxyId
from galaxyzoo.tasks.kinds import Task


@dataclass(frozen=True)
class Galaxy:
    """Galaxy to explain."""

    name: str
    encoded: bytes  # its JPEG, PNG or FITS
    source: str  # where that is from, for error messages
    truth: np.ndarray | None = None  # (column,) votes or class of a training galaxy
    fold: int | None = None  # of a training galaxy that the task keeps
    fits: FitsSettings = field(default_factory=FitsSettings)  # by which FITS becomes a picture

    def decode(self, image: ImageConfig) -> np.ndarray:
        """(1, cache_px, cache_px, 3) uint8; an image that cannot be decoded is an error."""
        try:
            picture: bytes | np.ndarray = self.encoded
            if self.encoded.startswith(fits_file.MAGIC):
                picture = to_rgb(self.encoded, self.fits, self.fits.field_arcsec)
            return decode(picture, image.crop_px, image.cache_px)[None]
        except (ValueError, InputError, cv2.error) as error:
            reason = str(error).splitlines()[0]
            if " --" in reason:
                reason += " (an option of predict.py: convert it to PNG)"
            raise InputError(f"{self.source}: {reason}") from None

    def as_input(self, image: ImageConfig) -> np.ndarray:
        """(1, size_px, size_px, 3) uint8: the network's input, upright."""
        return geometry.warp(self.decode(image), geometry.warp_matrix(image), image.size_px)


def find_galaxy(galaxy_id: str, task: Task, data: prepare.Dataset) -> Galaxy:
    """A training or test galaxy of a dataset by the user's own id, with its targets in the task.

    An id that no galaxy has is an error.
    """
    name = f"{data.key} {galaxy_id}"
    wanted: GalaxyId = galaxy_id
    if data.key == ID:
        wanted = int(galaxy_id) if galaxy_id.isdecimal() else -1
    images = data.raw.train_images
    if wanted not in images.names:
        images = data.raw.test_images
    if wanted not in images.names:
        raise InputError(f"{name} is not in dataset '{data.dataset}'")
    galaxy = Galaxy(name, images.read(wanted), source=images.names[wanted])
    catalog = data.for_task(task)
    if wanted not in catalog.train.index:
        return galaxy
    row = catalog.train.index.get_loc(wanted)
    return replace(galaxy, truth=catalog.targets(task)[row], fold=int(catalog.folds[row]))


def settings_of_run(dataset: str) -> FitsSettings:
    """Settings by which a run's networks saw FITS cut-outs: those of the dataset."""
    return select(read_settings_of(dataset), FitsSettings)


def read_galaxy(path: Path, settings: FitsSettings) -> Galaxy:
    """A galaxy from an image file; one that cannot be read is an error."""
    try:
        return Galaxy(one_line(path.name), path.read_bytes(), shown(path), fits=settings)
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror}") from None
