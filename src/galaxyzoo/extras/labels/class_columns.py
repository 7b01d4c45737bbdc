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
    flags = pd.DataFrame(index=table.index)
    for column in table:
        cells = table[column].fillna("").str.strip().str.lower()
        is_yes = cells.isin(_YES)
        is_answer = is_yes | cells.isin(_NO)
        is_word = ~is_answer & pd.to_numeric(cells, errors="coerce").isna()
        n_answers = (is_answer & (cells != "")).sum()
        if is_yes.any() and 0 < is_word.sum() < n_answers:
            wrong = table[column][is_word]
            raise InputError(
                f"{shown(path)}: '{one_line(wrong.index[0])}' has '{one_line(wrong.iloc[0])}' in "
                f"column '{column}' (such rows: {len(wrong):,}): write yes or no, or name a column "
                f"of classes in {TASK_FILE}: `label: NAME`"
            )
        if is_yes.any() and is_answer.all():
            flags[column] = is_yes
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
