"""A run's out-of-fold table, test table and score card: of its folds' predictions, or imported.

Predictions made elsewhere on the same split are checked once; the run that they become has no
networks.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import Artifact
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import FOLD, read_table
from galaxyzoo.results import layout, submission
from galaxyzoo.results.card import Digests, RunCard
from galaxyzoo.results.table import PredictionTable, digest_table, score_table
from galaxyzoo.tasks.registry import get_task, task_of

if TYPE_CHECKING:
    from galaxyzoo.data.image_cache import ImageCache

# The untrained network's loss is a mean over a part of the galaxies and, like all losses in
# training, under dropout: 30 galaxies that teach nothing gave ratios up to 1.14. Learning rates far
# too high gave 1.5 and more on 30 galaxies, 1.7 and more on kaggle-mini.
_TOLERANCE = 0.2
_RUN = re.compile(r"\w+/[A-Za-z0-9][A-Za-z0-9_.@-]*")
_FAR = 1.0  # a number further than this from 0 and 1 is not a fraction, perhaps a percentage
_OOF, _TEST = "_oof.csv", "_test.csv"  # ends of the names of a folder's tables
_NUMBER = "%.9g"  # as many digits as float32 has, by which an ensemble reads them


@dataclass(frozen=True)
class FoldSummary:
    """Summary of a fold's training: start, losses, flags."""

    start: str  # where the first weights came from
    # mean training loss of the untrained network; None where nothing was trained
    first_loss: float | None = None
    last_loss: float | None = None  # that of the epoch whose weights are kept
    selected_on_validation: bool = False  # an epoch was chosen on the fold
    possible_leakage: bool = False  # the first weights may have seen the fold
    # GalaxyIDs of the test images that could not be read when it predicted them
    unreadable_test_images: Sequence[int] = ()

    @property
    def diverged(self) -> bool:
        """Check whether training made the network worse by more than chance.

        The mean training loss of the epoch whose weights are kept is more than a fifth above that
        of the untrained network on the first 256 galaxies (all, where there are fewer).
        """
        if self.first_loss is None or self.last_loss is None:
            return False
        return self.last_loss > (1 + _TOLERANCE) * self.first_loss


@dataclass(frozen=True)
class FoldTables:
    """The prediction tables in a run's fold folders."""

    config: Config
    catalog: Catalog

    @property
    def targets(self) -> np.ndarray:
        """(galaxy, column) of the run's task."""
        return self.catalog.targets(self.config.task)

    @property
    def folder(self) -> layout.RunFolder:
        """The run's files."""
        return layout.RunFolder(self.catalog.dataset, self.config.run)

    def files(self, fold: int) -> Artifact:
        """The files of a fold."""
        catalog = self.catalog
        return layout.fold_files(self.config, catalog.dataset, catalog.fingerprint, fold)

    def score(self, fold: int) -> float:
        """Score of a finished fold's network on the fold, as on the card.

        Of an earlier stage, the score of one view after its last epoch.
        """
        if self.config.is_earlier_stage:
            return float(pd.read_csv(self.files(fold).path(layout.HISTORY))["val_score"].iloc[-1])
        table = self._read_val(fold).project()
        return table.task.score(table.values, self.targets[self.catalog.folds == fold])

    def collect(self, test_images: "ImageCache") -> RunCard | None:
        """Concatenate the finished folds' predictions, score them, write tables and card.

        The tables hold predictions that are valid in a submission; the networks' own stay in the
        folds' folders. Test predictions of refits have a table of their own.

        Args:
            test_images: images of all test galaxies, the unreadable ones marked.
        Returns:
            The score card; None without a finished fold, unless the run was imported.
        """
        folder, refits = self.folder, self.folder.refits
        if folder.folds:
            card = self._collect_folds(test_images)
        elif refits and folder.card.exists():
            card = RunCard.of(self.catalog.dataset, self.config.run)
        else:
            return None
        if refits:
            table, prior = self._mean_test(refits, test_images)[0], self.targets.mean(axis=0)
            tables = card.tables.model_copy(update={"refit": table.write(folder.refit_csv, prior)})
            card = card.model_copy(update={"tables": tables, "refits": len(refits)})
            card.write(folder.card)
        return card

    def _collect_folds(self, test_images: "ImageCache") -> RunCard:
        catalog, done = self.catalog, self.folder.folds
        rows = np.isin(catalog.folds, done)
        ids, predicted = catalog.ids[rows], [self._read_val(fold).frame for fold in done]
        # Row by row in memory, as always: last digits of sums depend on it.
        values = np.ascontiguousarray(pd.concat(predicted).loc[ids])
        task = get_task(self.config.task)
        oof = PredictionTable(task, ids, values, catalog.folds[rows]).project()
        summaries = {fold: FoldSummary(**self.files(fold).notes) for fold in done}
        (test, unreadable), config = self._mean_test(done, test_images), self.config
        return _save_run(
            catalog,
            config.run,
            oof,
            test,
            about=config.about,
            config=config.digest(),
            seed=config.train.seed,
            checkpoint=config.train.checkpoint,
            selected_on_validation=any(s.selected_on_validation for s in summaries.values()),
            possible_leakage=config.possible_leakage
            or any(s.possible_leakage for s in summaries.values()),
            views=config.tta.n_views,
            start=" / ".join(dict.fromkeys(s.start for s in summaries.values())),
            training_loss={str(k): (s.first_loss, s.last_loss) for k, s in summaries.items()},
            diverged=[k for k, summary in summaries.items() if summary.diverged],
            unreadable_test_images=unreadable,
        )

    def _mean_test(
        self, folds: Sequence[int], test_images: "ImageCache"
    ) -> tuple[PredictionTable, list[int | str]]:
        """Mean over networks; the mean of the training targets where there is no image.

        Returns:
            The valid predictions, and the ids without an image, as tables have them.
        """
        ids, task = self.catalog.test_ids, get_task(self.config.task)
        paths = [self.files(fold).path(layout.TEST_TABLE) for fold in folds]
        values = [PredictionTable.read(path, task, ids).values for path in paths]
        mean = sum(values[1:], start=values[0]) / len(values)
        # An image may have been repaired since a network predicted it.
        notes = [self.files(fold).notes.get("unreadable_test_images", ()) for fold in folds]
        unreadable = test_images.unreadable | np.isin(test_images.ids, np.concatenate(notes))
        named = self.catalog.test_names[unreadable].tolist()
        if named:
            mean[unreadable] = self.targets.mean(axis=0)
            tqdm.write(submission.describe_unreadable(named))
        return PredictionTable(task, ids, mean, names=self.catalog.names).project(), named

    def _read_val(self, fold: int) -> PredictionTable:
        """Predictions of a fold's own galaxies."""
        ids = self.catalog.ids[self.catalog.folds == fold]
        path = self.files(fold).path(layout.VAL_TABLE)
        return PredictionTable.read(path, get_task(self.config.task), ids)


def _save_run(
    catalog: Catalog,
    run: str,
    oof: PredictionTable,
    test: PredictionTable,
    number: str = "%.9f",
    refit: PredictionTable | None = None,
    /,
    **notes: Any,
) -> RunCard:
    """Score predictions, write tables and card.

    Args:
        catalog: galaxies of the run's task.
        run: its name.
        oof: of the galaxies of finished folds, valid.
        test: valid.
        number: form of the tables' numbers.
        refit: test predictions of networks trained on all galaxies.
        notes: values of the card, besides scores.
    """
    folder, task = layout.RunFolder(catalog.dataset, run), oof.task
    targets, rows = catalog.targets(task.name), np.isin(catalog.ids, oof.ids)
    scores = score_table(task, oof.values, targets[rows], oof.folds, targets[~rows])
    failed = []  # folds whose score is no better than that of the mean targets of the others
    for fold, score in scores["per_fold"].items():
        in_fold = catalog.folds == int(fold)
        mean = task.project(targets[~in_fold].mean(axis=0, keepdims=True))
        limit = task.score(np.repeat(mean, in_fold.sum(), axis=0), targets[in_fold])
        if not score < limit:  # nan neither
            failed.append(int(fold))
    values = {
        "run": run,
        "task": task.name,
        "dataset": catalog.dataset,
        "fingerprint": catalog.fingerprint,
        "folds": [*map(int, scores["per_fold"])],
        "n_folds": catalog.n_folds,
        "no_better_than_mean": failed,
        "tables": Digests(
            oof=replace(oof, names=catalog.names).write(folder.oof_csv, number=number),
            test=test.write(folder.test_csv, targets.mean(axis=0), number),
            refit=refit.write(folder.refit_csv, number=number) if refit else None,
        ),
    }
    card = RunCard(**notes | scores | values)
    card.write(folder.card)
    return card


def list_pairs(given: str, task: str) -> dict[str, list[Path]]:
    """Run -> its out-of-fold and test table.

    Args:
        given: `NAME=OOF,TEST`, or a folder of pairs `NAME_oof.csv`, `NAME_test.csv`.
        task: of names without one.
    """
    name, _, tables = given.partition("=")
    pairs = {name: [Path(path) for path in tables.split(",")]}
    if not tables:
        stems = sorted(p.name.removesuffix(_OOF) for p in Path(given).glob(f"*{_OOF}"))
        pairs = {stem: [Path(given, f"{stem}{end}") for end in (_OOF, _TEST)] for stem in stems}
    runs = {stem if "/" in stem else f"{task}/{stem}": paths for stem, paths in pairs.items()}
    if not runs or any(len(paths) != 2 or not _RUN.fullmatch(run) for run, paths in runs.items()):
        raise InputError(
            f"--import {given}: use NAME=OOF.csv,TEST.csv, or a folder of pairs NAME{_OOF}, "
            f"NAME{_TEST}; NAME takes letters, digits, '_', '.', '@' and '-'"
        )
    return runs


def import_run(catalog: Catalog, run: str, oof_path: Path, test_path: Path) -> RunCard:
    """Check predictions and write them as a run; known ones stay as they are.

    Without a column `fold`, nothing shows that a galaxy's own label was not used: the run is marked
    for possible leakage.

    Args:
        catalog: the dataset's whole catalog.
        run: to make, `gz37/effnet`.
        oof_path: predictions of each training galaxy of its task, by networks not trained on it.
            Tables of `src/export.py --tables` have a score card beside them, whose marks stay,
            and test predictions of networks trained on all galaxies.
        test_path: predictions of each test galaxy.
    Raises:
        InputError: the tables do not fit, are too good to be true, or not those of their card; the
            run is there and of other predictions.
    """
    task, folder = task_of(run), layout.RunFolder(catalog.dataset, run)
    labeled = catalog.for_task(task)
    has_folds, names = FOLD in read_table(oof_path, wanted=FOLD.__eq__), catalog.names
    advice = f"train the run on the folds in folds/{catalog.dataset}/train.csv"
    folds = labeled.folds if has_folds else None
    oof = PredictionTable.read(oof_path, task, labeled.ids, folds, advice, names)
    oof = replace(_project(oof, oof_path), folds=labeled.folds)
    paths, beside = {"test": test_path}, oof_path.with_name(layout.SCORES)
    is_packed = oof_path.name == layout.PACKED["oof"] and beside.exists()
    packed = RunCard.read(beside) if is_packed else None
    if packed and packed.refits:
        paths["refit"] = oof_path.with_name(layout.PACKED["refit"])
    given = Digests(**{key: digest_table(path) for key, path in {"oof": oof_path, **paths}.items()})
    tests = {
        key: _project(PredictionTable.read(path, task, catalog.test_ids, names=names), path)
        for key, path in paths.items()
    }
    known = RunCard.of(catalog.dataset, run) if folder.card.exists() else None
    if folder.folds or (known and known.imported != given):
        delete = f", or delete {shown(folder.card)}" if known and known.imported else ""
        raise InputError(
            f"{run} already exists on {catalog.dataset} with other tables: choose another "
            f"name{delete}"
        )
    if known:
        with contextlib.suppress(InputError):  # made again where a table was changed
            refits = [folder.refit_csv] * bool(known.refits)
            return known.check(labeled, folder.oof_csv, folder.test_csv, *refits)
    for fold in range(labeled.n_folds):
        rows = labeled.folds == fold
        values, targets = oof.values[rows], labeled.targets(task.name)[rows]
        if task.is_below_noise_floor(values, targets):
            raise InputError(
                f"{shown(oof_path)}, fold {fold}: {task.metric} {task.score(values, targets):.5f} "
                "is too good to be true (label leakage?): predict each fold with networks not "
                "trained on it"
            )
    notes: dict[str, Any] = dict.fromkeys(("selected_on_validation", "possible_leakage"), False)
    notes |= {"about": f"imported from {oof_path.name}", "start": "made elsewhere"}
    if packed:
        if packed.tables != given:
            raise InputError(
                f"{shown(oof_path)} and {test_path.name} do not match {shown(beside)}: copy all "
                "three again"
            )
        notes = packed.model_dump()
    notes |= {"possible_leakage": notes["possible_leakage"] or not has_folds, "imported": given}
    return _save_run(labeled, run, oof, tests["test"], _NUMBER, tests.get("refit"), **notes)


def _project(table: PredictionTable, path: Path) -> PredictionTable:
    """Make predictions valid, as those of trained runs are."""
    far = np.abs(table.values - 0.5) > 0.5 + _FAR
    if far.any():
        row, column = np.argwhere(far)[0]
        raise InputError(
            f"{shown(path)}, column '{table.task.columns[column]}': {table.values[row, column]:g} "
            f"is not a fraction between 0 and 1 (such values: {far.sum():,})"
        )
    valid = table.project()
    return replace(valid, values=valid.values.astype(np.float32))
