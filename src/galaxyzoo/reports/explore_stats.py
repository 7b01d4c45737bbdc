"""What the volunteers' votes say as a whole: means, correlations, consistency, clarity.

A random sample of the original images: sizes, brightness, and how far out a galaxy shines.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from scipy.special import entr

from galaxyzoo.config.schema import ORIGINAL_PX
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.image_cache import decode
from galaxyzoo.io.archives import ImageStore
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, WRITE_TOLERANCE

ANSWERS = list(GALAXY_ZOO_2.columns)
ASKED = 0.1  # smallest vote of the parent answer at which a question's shares mean something
# Of the entropy of a question's shares, 1 where all answers are equally frequent. Of two answers
# 0.5 is a share of 89 % and 0.9 one of 68 %.
CLEAR, AMBIGUOUS = 0.5, 0.9
_ROUNDING = 1.001 * WRITE_TOLERANCE  # a miss of 1e-6 itself is rounding to six decimals
CLARITY = ("clear", "between", "ambiguous", "hardly_asked")


def answer_label(column: str) -> str:
    """An answer with its number, for many answers read alike: `9.3: no bulge`."""
    return f"{column.removeprefix('Class')}: {GALAXY_ZOO_2.answer_text(column)}"


def summarise_answers(votes: pd.DataFrame) -> pd.DataFrame:
    """(answer,) mean, sd, median, and parts of the galaxies with no vote and with a majority.

    Args:
        votes: (galaxy, 37) vote fractions by column name; other columns are ignored.
    """
    values = votes[ANSWERS]
    table = pd.DataFrame(
        {
            "mean": values.mean(),
            "sd": values.std(ddof=0),
            "median": values.median(),
            "no_vote": (values == 0).mean(),
            "majority": (values > 0.5).mean(),
        }
    )
    return table.rename_axis("column").reset_index()


def correlate_answers(votes: pd.DataFrame) -> pd.DataFrame:
    """(answer, answer) Pearson correlations of vote fractions; NaN where an answer never varies."""
    return votes[ANSWERS].corr()


def strongest_pairs(correlations: pd.DataFrame, count: int) -> pd.DataFrame:
    """The answers of different questions that go together, or exclude each other, the most.

    A question and the answer that leads to it are left out: their votes are tied by the sums.
    """
    questions = {column: q for q in GALAXY_ZOO_2.questions for column in q.columns}
    pairs = [
        (a, b, correlations.loc[a, b])
        for i, a in enumerate(ANSWERS)
        for b in ANSWERS[i + 1 :]
        if questions[a] != questions[b] and a != questions[b].parent and b != questions[a].parent
    ]
    table = pd.DataFrame(pairs, columns=["answer", "other", "correlation"]).dropna()
    order = table["correlation"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order[:count]].reset_index(drop=True)


def residuals(votes: pd.DataFrame) -> pd.DataFrame:
    """(galaxy, question) by how much the answers miss their parent's vote; `Q1`, …, `Q11`."""
    values = GALAXY_ZOO_2.residuals(votes[ANSWERS].to_numpy())
    return pd.DataFrame(values, index=votes.index, columns=_names())


def summarise_residuals(missed: pd.DataFrame) -> pd.DataFrame:
    """(question,) largest and mean residual, and galaxies beyond rounding (1e-6)."""
    table = pd.DataFrame(
        {
            "largest": missed.max(),
            "mean": missed.mean(),
            "beyond_rounding": (missed > _ROUNDING).sum(),
        }
    )
    return table.rename_axis("question").reset_index()


def worst_galaxies(missed: pd.DataFrame, count: int) -> pd.DataFrame:
    """The galaxies that miss the tree most: `GalaxyID`, the question, by how much."""
    worst = missed.max(axis=1).nlargest(count)
    return pd.DataFrame(
        {
            "GalaxyID": worst.index,
            "question": missed.loc[worst.index].idxmax(axis=1).to_numpy(),
            "residual": worst.to_numpy(),
        }
    )


def entropies(votes: pd.DataFrame) -> pd.DataFrame:
    """(galaxy, question) entropy of the answers' shares over that of equal ones, 0 to 1.

    NaN where the votes of the answer that leads to the question are below `ASKED`.
    """
    values, out = votes[ANSWERS].to_numpy(dtype=np.float64), {}
    for name, question in zip(_names(), GALAXY_ZOO_2.questions, strict=True):
        answers = values[:, GALAXY_ZOO_2.span(question)]
        asked = answers.sum(axis=1)
        shares = answers / np.where(asked > 0, asked, 1)[:, None]
        entropy = entr(shares).sum(axis=1) / np.log(len(question.answers))
        out[name] = np.where(asked >= ASKED, entropy, np.nan)
    return pd.DataFrame(out, index=votes.index)


def count_clarity(entropy: pd.DataFrame) -> pd.DataFrame:
    """(question,) galaxies that are clear, between, ambiguous, hardly asked; and mean entropy."""
    table = pd.DataFrame(
        {
            "clear": (entropy <= CLEAR).sum(),
            "between": ((entropy > CLEAR) & (entropy < AMBIGUOUS)).sum(),
            "ambiguous": (entropy >= AMBIGUOUS).sum(),
            "hardly_asked": entropy.isna().sum(),
            "mean_entropy": entropy.mean(),
        }
    )
    table.insert(0, "text", [q.text for q in GALAXY_ZOO_2.questions])
    return table.rename_axis("question").reset_index()


def _names() -> list[str]:
    return [f"Q{question.number}" for question in GALAXY_ZOO_2.questions]


FRAME_PX = 106  # side of the small whole frames; a quarter of the competition's images
SATURATED = 255
CHANNELS = ("red", "green", "blue")
_SKY_RINGS = 5  # outermost rings, taken as the background


@dataclass(frozen=True)
class ImageSample:
    """Some images of a dataset, small and whole, with what was measured on the originals."""

    # indexed by GalaxyID: bytes, width, height, <channel>_mean, <channel>_sd, saturated (fraction)
    measures: pd.DataFrame
    frames: np.ndarray  # (image, FRAME_PX, FRAME_PX, 3) uint8 RGB
    problems: dict[int, str]  # GalaxyID -> why it cannot be read


def sample_images(store: ImageStore, ids: np.ndarray, count: int, seed: int) -> ImageSample:
    """Draw images at random and measure them; an unreadable one is noted and left out."""
    drawn = np.random.default_rng(seed).choice(ids, min(count, len(ids)), replace=False)
    measures, frames, problems = {}, [], {}
    for galaxy_id in np.sort(drawn).tolist():
        try:
            data = store.read(galaxy_id)
            frames.append(decode(data, ORIGINAL_PX, FRAME_PX))
            measures[galaxy_id] = _measure(data)
        except (ValueError, InputError, cv2.error) as error:
            problems[galaxy_id] = str(error).splitlines()[0]
    table = pd.DataFrame.from_dict(measures, orient="index").rename_axis("GalaxyID")
    shape = (len(frames), FRAME_PX, FRAME_PX, 3)
    return ImageSample(table, np.array(frames, np.uint8).reshape(shape), problems)


def summarise_images(sample: ImageSample) -> dict[str, float | int | str]:
    """What the sample says of the dataset's images, by name; only counts where none is readable."""
    known = {"sampled": len(sample.measures) + len(sample.problems)}
    unreadable = {"unreadable": len(sample.problems)}
    table = sample.measures
    if table.empty:
        return {**known, **unreadable}
    sizes = (table["width"].astype(str) + " × " + table["height"].astype(str)).value_counts()
    return {
        **known,
        **unreadable,
        "pixels": f"{sizes.index[0]}" + (f" ({len(sizes)} sizes)" if len(sizes) > 1 else ""),
        "bytes, median": int(table["bytes"].median()),
        "bytes, smallest": int(table["bytes"].min()),
        "bytes, largest": int(table["bytes"].max()),
        **{f"{name}, mean": round(float(table[f"{name}_mean"].mean()), 3) for name in CHANNELS},
        **{
            f"{name}, sd within images": round(float(table[f"{name}_sd"].mean()), 3)
            for name in CHANNELS
        },
        "saturated pixels, %": round(float(100 * table["saturated"].mean()), 5),
        "images with a saturated pixel, %": round(float(100 * (table["saturated"] > 0).mean()), 2),
    }


def radial_profiles(frames: np.ndarray) -> np.ndarray:
    """(image, ring) median brightness in rings around the centre, 0 to 255.

    The median of a ring leaves out stars and neighbours. Rings are one pixel of the frame wide and
    end where the circle touches the frame's edge.
    """
    bright = frames.mean(axis=3, dtype=np.float32)
    place = np.arange(FRAME_PX) - (FRAME_PX - 1) / 2
    ring = np.hypot(place[:, None], place[None, :]).astype(int)
    rings = [np.median(bright[:, ring == k], axis=1) for k in range(FRAME_PX // 2)]
    return np.column_stack(rings)


def light_radii(profiles: np.ndarray, part: float) -> np.ndarray:
    """(image,) radius that holds this part of the brightness above the background.

    Args:
        profiles: (image, ring).
        part: 0 to 1.
    Returns:
        Radii as part of half the frame's side, 0 to 1; NaN where nothing stands above the
        background.
    """
    sky = profiles[:, -_SKY_RINGS:].mean(axis=1, keepdims=True)
    n_rings = profiles.shape[1]
    area = 2 * np.arange(n_rings) + 1.0
    grown = np.cumsum((profiles - sky) * area, axis=1)
    total = grown[:, -1:]
    first = (grown >= part * total).argmax(axis=1)
    return np.where(total[:, 0] > 0, (first + 1) / n_rings, np.nan)


def _measure(data: bytes) -> dict[str, float]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("it does not decode as an image")
    mean, sd = cv2.meanStdDev(image)
    return {
        "bytes": len(data),
        "width": image.shape[1],
        "height": image.shape[0],
        **{f"{name}_mean": float(v) for name, v in zip(CHANNELS, mean[:, 0], strict=True)},
        **{f"{name}_sd": float(v) for name, v in zip(CHANNELS, sd[:, 0], strict=True)},
        "saturated": float((image >= SATURATED).any(axis=2).mean()),
    }
