"""A heat map laid over its image; figures of whatever text they are given."""

import numpy as np

from galaxyzoo.extras.explain.figures import BLENDED_PX, blend_heat
from galaxyzoo.extras.explain.gradcam import HeatMap


def test_the_image_stays_where_the_map_is_low_and_is_colored_where_it_is_high():
    image = np.full((32, 32, 3), 90, np.uint8)
    heat = np.zeros((32, 32))
    heat[:, 16:] = 1
    mixed = blend_heat(HeatMap(image, heat, "stages.2"))
    assert mixed.shape == (BLENDED_PX, BLENDED_PX, 3)
    assert (mixed[:, :140] == 90).all()
    hot = mixed[20:-20, 180:-20].reshape(-1, 3)
    assert (hot == hot[0]).all()
    assert np.abs(hot[0].astype(int) - 90).max() > 50
    middle = BLENDED_PX // 2
    assert (mixed[middle, middle - 9 : middle + 9] == 255).all(axis=1).any()  # the line between
