"""The kernel names no extra: neither its files, endings, options and packages, nor its subject."""

import re
from dataclasses import fields

from galaxyzoo import commands
from galaxyzoo.core import extras, paths
from galaxyzoo.data.stores.opening import forms, openers
from support.commands import OPTIONAL, parser_of

PACKAGE = paths.CODE_ROOT / "src" / "galaxyzoo"
# What extras write and read, and what they are about; `read_words` adds what they offer.
FILES = ["errors.csv", "intervals.csv", "index.html", "labels.csv", "model.onnx", "ranking.csv"]
FILES += ["ledger.csv", "task.yaml"]
SUBJECTS = ["survey", "interval", "conformal", "heat map", "grad-?cam", "saliency", "HATS", "HDF5"]
SUBJECTS += ["FITS", "WCS", "ONNX", "HTML", "Optuna", "ledger", "label page", "model card", "Sloan"]
PARQUET = "tables of votes, labels, groups and predictions may be in Parquet"
# Word and file in which the kernel itself has it -> why.
ALLOWED = {
    (".parquet", "commands/predict.py"): PARQUET,
    (".parquet", "data/readers/side_tables.py"): PARQUET,
    (".parquet", "io/tables.py"): PARQUET,
    (".parquet", "io/writing.py"): PARQUET,
    ("pyarrow", "commands/predict.py"): PARQUET,
    ("pyarrow", "io/tables.py"): PARQUET,
    ("pyarrow", "io/writing.py"): PARQUET,
    (".npz", "training/feature_cache.py"): "a cache of the kernel's own",
    (".npz", "data/stores/names.py"): "pictures that nothing reads in a folder are counted",
    (".fits", "data/stores/names.py"): "those packed in a way that nothing reads are counted",
    (".fts", "data/stores/names.py"): "as .fits",
    ("astropy", "data/readers/side_tables.py"): "positions of galaxies keep neighbors in one fold",
    ("kaggle", ""): "the competition, its page and its datasets are Kaggle's",
    ("six", ""): "a number as well as a package",
}


def read_words() -> dict[str, str]:
    """Words of extras, each with its pattern."""
    words = {name: rf"\b{re.escape(name)}\b" for name in OPTIONAL}
    endings = {*openers()} - {".csv"}  # a table of the kernel
    for extra in extras.installed().values():
        endings |= {*extra.pictures, *extra.outputs} - {"/", ".fit"}  # `model.fit`
        words |= {seal: re.escape(seal) for seal in extra.seals}
        for command in extra.commands:
            name = command.split()[-1]
            words[name] = rf"(src|scripts)/{name}\.(py|sh)|[\"'`]{name}[\"'`]|prepare {name}\b"
    words |= {ending: rf"{re.escape(ending)}\b" for ending in endings}
    words |= {option: rf"(?<!\w){option}(?![\w-])" for option in read_options()}
    words |= {name: rf"(?<!_){re.escape(name)}" for name in FILES}
    return words | {subject: rf"\b{subject}(s|e?d)?\b" for subject in SUBJECTS}


def read_options() -> set[str]:
    """The options that only commands and forms of extras have."""
    kernel = set[str]()
    extra = set[str]()
    for name, main in commands.references().items():
        parser, _ = parser_of(*name.split())
        names = {text for action in parser._actions for text in action.option_strings}
        if main.startswith("galaxyzoo.extras."):
            extra |= names
        else:
            kernel |= names
    for provider in extras.installed().values():
        extra |= {option.split()[1] for option in provider.moved}
    for form in forms():
        for item in fields(form.options) if form.options else ():
            kernel -= {*(item.metadata["names"] or [f"--{item.name}"])}
    return extra - kernel - {"-m"}  # an option of Python


def test_no_word_of_an_extra_is_in_the_kernel():
    """In no line, comment or docstring."""
    patterns = {}
    for word, pattern in read_words().items():
        patterns[word] = re.compile(pattern, 0 if word.isupper() else re.IGNORECASE)
    named = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        if not file.startswith("extras/"):
            text = path.read_text(encoding="utf-8")
            named |= {(word, file) for word, pattern in patterns.items() if pattern.search(text)}
    everywhere = {word for word, file in ALLOWED if not file}
    named = {(word, file) for word, file in named if word not in everywhere}
    assert named == {key for key in ALLOWED if key[1]}
