"""Classes of the rows of a table: a column of names, or a column of yes and no for each class."""

import ast
import re
from itertools import chain
from pathlib import Path

import pandas as pd

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.readers.labeled import classes_of
from galaxyzoo.data.stores.columns import pick_columns
from galaxyzoo.extras.labels.own_task import TASK_FILE
from galaxyzoo.io.tables import NO_VALUE
from galaxyzoo.tasks.kinds import CLASS

_COLUMNS = (CLASS, "label", "choice")  # the last is Label Studio's
# In any letter case; a missing value is a no
_YES = ("1", "1.0", "true", "t", "yes", "y", "x")
_NO = ("0", "0.0", "false", "f", "no", "n", *NO_VALUE)


def refuse_zooniverse(table: pd.DataFrame, path: Path) -> None:
    """Refuse counts, extracts and classifications of Zooniverse's projects, which name subjects."""
    is_answer = table.columns.astype(str).str.match(r"data\.|subject_data")
    if is_answer.any() and not pick_columns(table, _COLUMNS):
        raise InputError(
            f"{shown(path)} is a table of Zooniverse, panoptes-aggregation or caesar: write id (of "
            "the image) and class instead, a row per volunteer and image; see docs/labels.md"
        )


def read_classes(table: pd.DataFrame, path: Path, column: str | None) -> pd.Series:
    """Class of each row, empty where it has none.

    Args:
        table: texts, indexed by what names the images.
        path: its file, for messages.
        column: with the classes; default one of `_COLUMNS`, else a column for each class.
    Raises:
        InputError: it has no classes, or a row has several.
    """
    columns = [column] if column else pick_columns(table, _COLUMNS)
    if not columns:
        names = _list_flags(table.drop(columns=pick_columns(table, [GROUP])), path)
    elif columns[0] in table:
        names = classes_of(table, path, columns[0]).map(_list_names)
    else:
        raise InputError(_describe_missing(table, path, columns[0]))
    several = names[names.str.len() > 1]
    if len(several):
        listed = "' and '".join(several.iloc[0])
        raise InputError(
            f"{shown(path)}: '{one_line(several.index[0])}' has '{one_line(listed)[:80]}' (such "
            f"rows: {len(several):,}): keep one, delete columns of other questions, or name a "
            f"column of classes in {TASK_FILE}: `label: NAME`"
        )
    return names.str[0].fillna("")


def _list_names(cell: str) -> list[str]:
    """Names in a list, set, tuple or dict of lists, as programs write them; else the cell.

    Examples:
        >>> _list_names("['ring' 'bar']"), _list_names('{"choices": ["ring"]}'), _list_names("S0")
        (['ring', 'bar'], ['ring'], ['S0'])
    """
    if not re.fullmatch(r"(?s)\[.*\]|\{.*\}|\(['\"].*\)|(set)?\(\)", cell):
        return [cell]
    text = re.sub(r"\bnp\.\w+\((.*?)\)", r"\1", cell)  # numpy's scalars
    try:
        value = ast.literal_eval(re.sub(r"'\s+'", "', '", text))  # numpy has no commas
    except (ValueError, SyntaxError, RecursionError):
        return re.split(r"[,\s]+", cell[1:-1].strip())  # numpy's numbers; databases' words
    return _flatten(value)


def _flatten(value: object) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, set, tuple)):
        return list(chain.from_iterable(map(_flatten, value)))
    return [str(value).strip()]


def _list_flags(table: pd.DataFrame, path: Path) -> pd.Series:
    """Names of the columns with a yes in each row; refuse such columns with a few other words."""
    cells = table.fillna("").map(str.strip).map(str.lower)
    flags = cells.isin(_YES)
    is_flag = flags | cells.isin(_NO)
    is_text = ~is_flag & cells.apply(pd.to_numeric, errors="coerce").isna()
    n_words = (is_flag & (cells != "")).sum()
    is_mixed = flags.any() & is_text.any() & (is_text.sum() < n_words)
    if is_mixed.any():
        column = is_mixed.idxmax()
        text = table[column][is_text[column]]
        raise InputError(
            f"{shown(path)}: '{one_line(text.index[0])}' has '{one_line(text.iloc[0])}' in column "
            f"'{column}' (such rows: {len(text):,}): write yes or no, or name a column of classes "
            f"in {TASK_FILE}: `label: NAME`"
        )
    flags = flags.loc[:, is_flag.all() & flags.any()]
    if flags.shape[1] < 2:
        raise InputError(_describe_missing(table, path, CLASS))
    return flags.apply(lambda row: list(flags.columns[row]), axis=1)


def _describe_missing(table: pd.DataFrame, path: Path, column: str) -> str:
    """Say that a column is missing, and which one is the likeliest to have the classes."""
    numbers = table.replace(" *%$", "", regex=True).apply(pd.to_numeric, errors="coerce")
    n_values = table.loc[:, ~numbers.notna().all()].nunique()
    problem = f"{shown(path)} has no column '{column}'"
    if n_values.empty:
        problem += ", only numeric ones"
    candidates = n_values[n_values > 1]
    likely = "NAME" if candidates.empty else candidates.idxmin()
    listed = ", ".join(table.columns[:9])
    return f"{problem} (found {listed}): name the right one in {TASK_FILE}: `label: {likely}`"
