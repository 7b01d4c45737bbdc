"""Hypothesis strategies that several files draw from: sizes, and seeds.

Files with bytes changed at random come from a seed and `fuzz_fixtures.mutate`.
"""

from hypothesis import strategies as st

from galaxyzoo.config.schema import ORIGINAL_PX

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def crops(draw: st.DrawFn, largest_px: int = ORIGINAL_PX) -> tuple[int, int]:
    """Side of a square in original pixels, and the side that it is resized to, no larger."""
    crop_px = draw(st.integers(1, ORIGINAL_PX))
    size_px = draw(st.integers(1, min(crop_px, largest_px)))
    return crop_px, size_px
