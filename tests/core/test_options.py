"""Options as dataclasses: words and options in any order, groups, and mistakes in one line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from galaxyzoo.commands import ensemble, predict, prepare, train
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import option, positional, positive, read_groups, read_options
from galaxyzoo.extras.download.gz2_dataset import Gz2Options
from galaxyzoo.extras.download.submit import SubmitOptions
from galaxyzoo.extras.explain import command as gradcam
from galaxyzoo.extras.export import command as export
from galaxyzoo.extras.formats.fits import FitsSettings
from galaxyzoo.extras.reports import command as evaluate
from galaxyzoo.extras.surveys.command import SurveyOptions
from galaxyzoo.extras.tuning import command as tune
from support.refusals import one_line_refusal


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Of each kind one."""

    images: tuple[Path, ...] = positional("images", "IMAGE", nargs="+")
    size: int = option("side", 64, type=positive)
    form: Literal["png", "jpg"] | None = option("of the files")
    side: Literal[1, 8] | None = option("one of two")
    keep: tuple[str, ...] = option("columns", ())
    bands: tuple[Literal["r", "g"], ...] = option("colors", (), "--with")
    fast: bool = option("no checks", False)


def test_each_annotation_is_read():
    assert read_options(Cut, None, ["a.png"]) == Cut(images=(Path("a.png"),))
    words = "a --size 3 --form jpg --side 8 --keep ra,dec --keep z --with r,g --fast b"
    assert read_options(Cut, None, words.split()) == Cut(
        images=(Path("a"), Path("b")),
        size=3,
        form="jpg",
        side=8,
        keep=("ra", "dec", "z"),
        bands=("r", "g"),
        fast=True,
    )


def test_a_word_left_out_is_the_default():
    assert read_options(SubmitOptions, None, ["-m", "x"]) == SubmitOptions(message="x")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "IMAGE"),
        (["a", "--sise", "3"], "unrecognized arguments: --sise.*did you mean --size?"),
        (["a", "-s", "3"], "unrecognized arguments: -s"),
        (["a", "--size", "0"], "--size: must be 1 or more"),
        (["a", "--size", "x"], "--size: invalid positive value: 'x'"),
        (["a", "--form", "gif"], "--form: invalid choice: 'gif'"),
        (["a", "--side", "2"], "--side: invalid choice: 2"),
        (["a", "--with", "r,b"], "--with: 'b' is none of r, g"),
    ],
)
def test_a_mistake_is_one_line(words, message):
    with pytest.raises(InputError, match=message):
        read_options(Cut, None, words)


COMMANDS = [
    (train.TrainOptions, "gz37/resnet18 train.lr=2e-3", "--only 0,2 --jobs 2 --plan"),
    (ensemble.EnsembleOptions, "gz37/a gz37/b", "--name pair --candidates mean,greedy"),
    (ensemble.EnsembleOptions, "all", "--import a=a.csv,b.csv --import folder"),
    (predict.PredictOptions, "gz37/cnn a.jpg b/", "--output votes/ --views 8 --folds 0,1"),
    (evaluate.EvaluateOptions, "zoo5 gz37/cnn", "--dataset kaggle-mini --output out"),
    (export.ExportOptions, "gz37/cnn", "--half --output model --no-onnx"),
    (gradcam.GradcamOptions, "gz37/cnn", "--galaxy-id 7 --feature-maps --layer a,b"),
    (tune.TuneOptions, "search.yaml", "--trials 3 --jobs 2"),
]


@pytest.mark.parametrize(("kind", "words", "options"), COMMANDS)
def test_words_stand_before_between_and_after_options(kind, words, options):
    named, given = words.split(), options.split()
    at = next(i for i in range(2, len(given)) if given[i].startswith("--"))
    read = read_options(kind, None, [*named, *given])
    assert read_options(kind, None, [*given, *named]) == read
    assert read_options(kind, None, [*named[:1], *given[:at], *named[1:], *given[at:]]) == read


def test_groups_are_read_beside_a_commands_options_and_have_their_title():
    groups = {"surveys": SurveyOptions, "FITS": FitsSettings}
    words = "a/ --stretch zscale --with spread --bands 0,1,2 b/ --output v/ --field 3"
    options, read = read_groups(predict.PredictOptions, groups, None, words.split())
    assert (options.words, options.is_job) == (("a/", "b/"), True)
    assert read["surveys"] == SurveyOptions(extras=("spread",))
    assert read["FITS"] == FitsSettings(stretch="zscale", bands=(0, 1, 2), field_arcsec=3)


def test_defaults_stand_in_help_once(capsys):
    for kind in (prepare.PrepareOptions, Gz2Options, Cut):
        with pytest.raises(SystemExit):
            read_options(kind, "what it does", ["--help"])
    text = capsys.readouterr().out
    assert text.count("(default: 64)") == 1
    assert "SUPPRESS" not in text
    assert all(entry.count("default") <= 1 for entry in text.split(" --"))
    assert "trials" in one_line_refusal(read_options, tune.TuneOptions, None, ["x"])
