"""What is noted of a trained fold, and whether its training made the network worse."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown

# The untrained network's loss is a mean over a part of the galaxies and, like all losses in
# training, under dropout: 30 galaxies that teach nothing gave ratios up to 1.14. Learning rates far
# too high gave 1.5 and more on 30 galaxies, 1.7 and more on kaggle-mini.
_TOLERANCE = 1.2


@dataclass(frozen=True)
class FoldSummary:
    """Where a fold's weights come from and how its training went."""

    start: str  # where the first weights came from
    # mean training loss of the untrained network; None where an earlier version trained the fold
    first_loss: float | None = None
    last_loss: float | None = None  # that of the epoch whose weights are kept
    accumulation: int = 1  # parts of a batch at the end
    # whether an epoch was chosen on the fold; None where an earlier version trained it
    selected_on_validation: bool | None = None
    # GalaxyIDs of the test images that could not be read when it predicted them
    unreadable_test_images: Sequence[int] = ()

    @classmethod
    def read(cls, path: Path) -> "FoldSummary":
        """Read what was written with `asdict`, or by an earlier version.

        Raises:
            InputError: the file is missing or holds something else.
        """
        try:
            return cls(**files.read_json(path))
        except TypeError:
            raise InputError(f"{shown(path)} is damaged: delete it and train again") from None

    @property
    def diverged(self) -> bool:
        """Whether training made the network worse by more than chance.

        The mean training loss of the epoch whose weights are kept is more than a fifth above that
        of the untrained network on the first 256 galaxies (all, where there are fewer).
        """
        if self.first_loss is None or self.last_loss is None:
            return False
        return self.last_loss > _TOLERANCE * self.first_loss

    @property
    def losses(self) -> str:
        """The two losses in words."""
        return _in_words(self.first_loss, self.last_loss)


def describe_divergence(card: dict[str, Any]) -> str:
    """The diverged folds of a run's score card with their losses; empty where there is none."""
    losses = card.get("training_loss", {})
    return "; ".join(
        f"fold {fold} diverged{_in_words(*losses.get(str(fold), (None, None)))}"
        for fold in card.get("diverged", ())
    )


def _in_words(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return ""
    return f": training loss {last:.3g} at the end, {first:.3g} before the first step"
