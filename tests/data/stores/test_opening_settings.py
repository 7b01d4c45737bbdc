"""Settings of forms of images among the options of a command."""

import numpy as np

from galaxyzoo.commands.predict import PredictOptions
from galaxyzoo.core.options import read_options
from galaxyzoo.data.stores import opening
from galaxyzoo.extras.formats.fits import FitsSettings
from support.fits_files import write_fits


def test_a_command_reads_the_settings_of_forms_beside_its_own_options(tmp_path):
    words = "a/ --stretch zscale --bands 0,1,2 b/ --output v/ --field 3"
    options = read_options(opening.with_settings(PredictOptions), None, words.split())
    assert (options.words, options.ending) == (("a/", "b/"), "/")
    (tmp_path / "7.fits").write_bytes(write_fits(np.ones((3, 40, 40), np.float32)))
    expected = FitsSettings(stretch="zscale", bands=(0, 1, 2), field_arcsec=3.0)
    plain, own, typed = (
        opening.open_images(tmp_path, settings).identities()[0]
        for settings in (None, expected, options)
    )
    assert typed == own != plain


def test_without_forms_a_command_has_its_own_options_alone(monkeypatch):
    monkeypatch.setattr(opening, "forms", list)
    options = read_options(opening.with_settings(PredictOptions), None, ["a/"])
    assert vars(options) == vars(PredictOptions(words=("a/",)))
