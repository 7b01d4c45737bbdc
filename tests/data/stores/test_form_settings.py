"""Settings of forms of images among the options of a command."""

from galaxyzoo.commands.predict import PredictOptions
from galaxyzoo.core.options import read_options
from galaxyzoo.data.stores import opening
from galaxyzoo.extras.formats.fits import FitsSettings


def test_a_command_reads_the_settings_of_forms_beside_its_own_options():
    words = "a/ --stretch zscale --bands 0,1,2 b/ --output v/ --field 3"
    options = read_options(opening.with_settings(PredictOptions), None, words.split())
    assert (options.words, options.ending) == (("a/", "b/"), "/")
    expected = FitsSettings(stretch="zscale", bands=(0, 1, 2), field_arcsec=3)
    assert opening.settings_of(options) == {FitsSettings: expected}


def test_without_forms_a_command_has_its_own_options_alone(monkeypatch):
    monkeypatch.setattr(opening, "forms", list)
    options = read_options(opening.with_settings(PredictOptions), None, ["a/"])
    assert vars(options) == vars(PredictOptions(words=("a/",)))
    assert opening.settings_of(options) == {}
