"""Names of answers and classes on pages."""

from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

# Where there is no room for all 37
SHOWN_ANSWERS = (
    "Class1.1",
    "Class1.2",
    "Class2.1",
    "Class3.1",
    "Class4.1",
    "Class6.1",
    "Class7.1",
    "Class7.3",
)


def readable(name: str) -> str:
    """A column's name with spaces."""
    return name.replace("_", " ")


def answer_label(column: str) -> str:
    """An answer's number and text, `9.3: no bulge`; other answers may have the same text."""
    return f"{column.removeprefix('Class')}: {GALAXY_ZOO_2.answer_text(column)}"
