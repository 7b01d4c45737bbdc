"""What differs, in words: the notes below the table of docs/surveys.md."""

from collections.abc import Mapping
from dataclasses import dataclass

from table_readers import ARROW, CSV, ECSV, FITS, LABELS, PARQUET, PREDICTIONS, VOTABLE


@dataclass(frozen=True)
class Note:
    """A difference, and the readers, kinds of files and questions in which it shows."""

    text: str
    readers: Mapping[str, tuple[str, ...]]  # kinds of files by reader
    questions: tuple[str, ...]

    def covers(self, reader: str, kind: str, question: str) -> bool:
        """Check whether the note is about a difference."""
        return kind in self.readers.get(reader, ()) and question in self.questions


ASTROPY, DATASETS, STILTS = "astropy `Table`", "Hugging Face `datasets`", "STILTS, TOPCAT"
NAMED_CUT = ("Class1.1 > 0.5",)

NOTES = (
    Note(
        "A column of whole numbers with a missing value becomes floats, which rounds ids of 17 and"
        ' more digits. `read_parquet(…, dtype_backend="pyarrow")` and `read_csv(…,'
        ' dtype_backend="pyarrow")` keep them.',
        {"pandas": (*ARROW, ECSV), "Dask": ARROW},
        ("plate",),
    ),
    Note(
        "Ids of text such as `0007` become the number 7. Joins with the text are refused, match"
        " nothing (STILTS), or match by number (DataFusion). Read the column as text (pandas:"
        ' `dtype={"id": str}`).',
        {
            "pandas": (ECSV, *CSV),
            "PyArrow": CSV,
            "Polars": CSV,
            "DataFusion": CSV,
            "Dask": CSV,
            DATASETS: CSV,
            ASTROPY: CSV,
            STILTS: CSV,
        },
        ("text ids", "join", "mag > 19", *NAMED_CUT),
    ),
    Note(
        "Texts such as `NA` and `null` become missing, also a class of this name: use"
        " `keep_default_na=False`.",
        {"pandas": (ECSV, LABELS), "Dask": (LABELS,), DATASETS: (LABELS,)},
        ("name", "class"),
    ),
    Note(
        "Predictions are the nearest float64 to the digits of a float32 (a difference below 1e-8);"
        " features are one text in JSON.",
        {"pandas": (ECSV,)},
        ("Class1.1", "features"),
    ),
    Note(
        "Empty texts (a galaxy without a clear class) and missing ones are the same.",
        {
            "pandas": (ECSV,),
            ASTROPY: (FITS, VOTABLE, ECSV),
            "fitsio": (FITS,),
            STILTS: (FITS, VOTABLE),
        },
        ("name", "zoo5"),
    ),
    Note(
        "Empty cells are empty texts, not missing.",
        {"PyArrow": (LABELS,)},
        ("class", "note", "skipped"),
    ),
    Note(
        "`yes` in the column `skipped` becomes true.",
        {"DuckDB": (LABELS,)},
        ("skipped",),
    ),
    Note(
        "Booleans with missing values are 0 and 1.",
        {ASTROPY: (FITS,), STILTS: (FITS,), "fitsio": (FITS,)},
        ("good",),
    ),
    Note(
        "Missing whole numbers and booleans are the lowest number of their type"
        " (-9223372036854775808, -32768). `where` leaves them out, but compares ids of 17 and more"
        " digits as floats: `id == …` also gives their neighbors. Compare in numpy.",
        {"fitsio": (FITS,)},
        ("plate",),
    ),
    Note(
        "Conditions cannot name `Class1.1`. Use `--names words`, or type `$Class1.1$` (fitsio) or"
        " the column's place, as in `$12` (STILTS).",
        {"fitsio": (FITS,), STILTS: (FITS, VOTABLE, PREDICTIONS), "fastparquet": ARROW},
        NAMED_CUT,
    ),
    Note(
        "Features are bytes, and `row_filter=True` fails where they are in the table.",
        {"fastparquet": ARROW},
        ("features", "mag > 19"),
    ),
    Note(
        "A condition fails at the first missing value: write `row[…] is not None and …`.",
        {DATASETS: ARROW},
        ("mag > 19",),
    ),
    Note(
        "Tables with missing texts are refused: use pandas.",
        {ASTROPY: ARROW},
        ("open",),
    ),
    Note(
        "Debian's STILTS reads neither Parquet nor ECSV. A VOTable that STILTS makes of our `.fits`"
        " is refused by astropy, as its comments have two dimensions: use `--table x.vot`.",
        {STILTS: (PARQUET, ECSV)},
        ("open",),
    ),
)
