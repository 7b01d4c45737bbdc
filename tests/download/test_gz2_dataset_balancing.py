"""Balanced draws: as many of each class, by the seed alone, every galaxy as often."""

import numpy as np
import pandas as pd

from galaxyzoo.download.gz2_dataset import draw_balanced


def draw(n: int = 60) -> pd.Series:
    rng = np.random.default_rng(1)
    return pd.Series(rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]), index=1000 + np.arange(n))


def test_as_many_of_each_class_as_the_smallest_has():
    classes = draw()
    drawn = draw_balanced(classes, None, 0)
    assert set(drawn.value_counts()) == {classes.value_counts().min()}
    assert drawn.index.is_monotonic_increasing
    assert drawn.index.is_unique
    assert (drawn == classes[drawn.index]).all()
    capped = draw_balanced(classes, 12, 0).value_counts()
    assert capped.to_dict() == classes.value_counts().clip(upper=12).to_dict()


def test_the_draw_is_random_by_the_seed_alone():
    classes = draw()
    drawn = draw_balanced(classes, 5, 0)
    assert drawn.equals(draw_balanced(classes.sample(frac=1, random_state=3), 5, 0))
    assert not drawn.index.equals(draw_balanced(classes, 5, 1).index)
    first = pd.concat([classes[classes == name].iloc[:5] for name in "abc"]).sort_index()
    assert not drawn.index.equals(first.index)
    assert drawn.index.isin(draw_balanced(classes, 9, 0).index).all()


def test_every_galaxy_is_drawn_as_often():
    classes = pd.Series(["a"] * 20 + ["b"] * 5, index=np.arange(25))
    times = np.zeros(25)
    for seed in range(400):
        times[draw_balanced(classes, None, seed).index] += 1
    assert (times[20:] == 400).all()
    assert times[:20].min() > 60  # 100 expected, sd 8.7
    assert times[:20].max() < 140
