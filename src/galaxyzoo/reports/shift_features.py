"""What is known of training and test galaxies alike: their images, and single networks' words."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.ensemble.intervals import NetworkTables
from galaxyzoo.reports.explore_stats import CHANNELS
from galaxyzoo.reports.shift import Sides, deal

_CHUNK = 512  # images in memory as floats
_BORDER = 0.06  # part of the side that counts as the frame's border, where the sky is
_INNER, _OUTER = 0.1, 0.35  # radii of apertures as parts of the side
_BRIGHT = 15.0  # above the sky, of 255


def make_sides(
    networks: Sequence[NetworkTables],
    catalog: Catalog,
    train_images: ImageCache,
    test_images: ImageCache,
    seed: int = 0,
) -> Sides:
    """Features of the task's training galaxies and of the test galaxies that have an image.

    Every galaxy is seen by the networks of one fold: a training galaxy by those of its own, which
    never saw it, a test galaxy by those of a fold dealt at random. The mean over all folds, which a
    submission holds, is smoother than one network and would give test galaxies away.

    Args:
        networks: of the runs whose predictions are features.
        catalog: galaxies of the task.
        train_images: decoded, whose ids ascend and hold those of the catalog.
        test_images: decoded, in the sample submission's order.
        seed: of the dealing.
    Raises:
        InputError: a table of a run's folds is missing or broken.
    """
    readable = ~test_images.unreadable
    dealt = deal(catalog.folds, len(catalog.test_ids), seed)
    own_rows = np.searchsorted(train_images.ids, catalog.ids)
    tables = [
        pd.concat(
            [
                measure_images(train_images.images, own_rows),
                measure_images(test_images.images, np.flatnonzero(readable)),
            ]
        )
    ]
    for network in networks:
        own, test = network.own(), np.empty((len(dealt), len(network.columns)))
        for fold in range(catalog.n_folds):
            test[dealt == fold] = network.test(fold)[dealt == fold]
        names = [f"{network.run}: {column}" for column in network.columns]
        tables.append(pd.DataFrame(np.concatenate([own, test[readable]]), columns=names))
    features = pd.concat([table.reset_index(drop=True) for table in tables], axis=1)
    n_test = int(readable.sum())
    return Sides(
        features.to_numpy(dtype=np.float64),
        list(features.columns),
        np.repeat([False, True], [len(catalog.ids), n_test]),
        np.concatenate([catalog.folds, dealt[readable]]),
    )


def measure_images(images: np.ndarray, rows: np.ndarray) -> pd.DataFrame:
    """Brightness, colour, sky and concentration of some images.

    Args:
        images: (image, H, H, 3) uint8 RGB.
        rows: (n,) which of them.
    Returns:
        A row per image in the order of `rows`; brightness 0 to 255.
    """
    starts = range(0, len(rows), _CHUNK)
    parts = [_measure(images[rows[start : start + _CHUNK]]) for start in starts]
    return pd.concat(parts, ignore_index=True) if parts else _measure(images[:0])


def _measure(images: np.ndarray) -> pd.DataFrame:
    side = images.shape[1]
    place = (np.arange(side) + 0.5) / side - 0.5
    radius = np.hypot(place[:, None], place[None, :])
    border = np.maximum(np.abs(place)[:, None], np.abs(place)[None, :]) > 0.5 - _BORDER
    values = images.astype(np.float32)
    bright = values.mean(axis=3)
    sky = np.median(values[:, border], axis=1)
    above = bright - sky.mean(axis=1)[:, None, None]
    inner, outer = (above[:, radius < limit].sum(axis=1) for limit in (_INNER, _OUTER))
    core = values[:, radius < _INNER].mean(axis=1) - sky
    names = [f"image: {what}" for what in ("mean", "deviation", "sky", "core")]
    columns = {
        f"{name} {channel}": table[:, i]
        for name, table in zip(
            names, (values.mean(axis=(1, 2)), values.std(axis=(1, 2)), sky, core), strict=True
        )
        for i, channel in enumerate(CHANNELS)
    }
    return pd.DataFrame(
        {
            **columns,
            "image: core red - blue": core[:, 0] - core[:, 2],
            "image: sky noise": bright[:, border].std(axis=1),
            "image: concentration": inner / np.maximum(outer, 1.0),
            "image: bright area": (above > _BRIGHT).mean(axis=(1, 2)),
            "image: sharpness": np.abs(np.diff(bright, axis=2)).mean(axis=(1, 2)),
        }
    )
