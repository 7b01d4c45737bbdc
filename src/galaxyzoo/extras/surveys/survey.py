"""Predict a survey of any size: Parquet parts, each written whole or not at all.

A job is a folder. `job.json` says what was begun: networks, images, galaxies a part. The same
command goes on where a killed one stopped, also on several machines that share the folder: each
takes parts that nobody holds. A part has a record beside it, of the job that made it, its digest,
images that cannot be read and ways in which others are odd. In the end all parts are read back;
`manifest.json` says that each image is in one of them, or in `errors.parquet`, once.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from os.path import relpath
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core import console, files, manifest, parallel, paths, versions
from galaxyzoo.core.artifact import Filling, SealedFiles
from galaxyzoo.core.console import ProgressBar
from galaxyzoo.core.errors import InputError, advise, one_line
from galaxyzoo.core.memory import memory_bytes
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.extras.surveys import (
    BOUNDS,
    COLUMN_NAMES,
    FEATURES,
    INTERVALS,
    JOB,
    SPREAD,
    finished,
    table_format,
)
from galaxyzoo.extras.surveys.columns import describe_columns, meanings
from galaxyzoo.extras.surveys.finished import MANIFEST
from galaxyzoo.extras.surveys.images import Part, SurveyImages, digest_content
from galaxyzoo.extras.surveys.one_table import check_table, is_own_table, save_table
from galaxyzoo.extras.surveys.part_files import PARTS, PartFiles, part_path, part_record
from galaxyzoo.inference.chunks import Chunk
from galaxyzoo.inference.load_model import load_predictor
from galaxyzoo.inference.oddities import Oddities, add_oddities, describe_oddities
from galaxyzoo.inference.predict import Predictor, decode_ahead
from galaxyzoo.results import layout
from galaxyzoo.tasks import kinds, registry

ERRORS = "errors.parquet"
_TABLE_BYTES = 13  # of memory for each byte of the predictions, in a table of any form but Parquet


@dataclass(frozen=True)
class Survey:
    """Predictions of a survey in a folder.

    Args:
        folder: made if missing.
        name: of the run or ensemble, for the records.
        load: loads the predictor; other processes unpickle it, so a module's function or `partial`.
        prior: (column,) means of the training targets, by which classes are decided.
        extras: what else each row has, of `SPREAD`, `FEATURES` and `INTERVALS`.
        intervals: around (galaxy, column) predictions, (galaxy, column, 2) bounds.
    """

    folder: Path
    name: str
    load: Callable[[], Predictor]
    images: SurveyImages
    prior: np.ndarray
    extras: tuple[str, ...] = ()
    intervals: Callable[[np.ndarray], np.ndarray] | None = None

    @cached_property
    def predictor(self) -> Predictor:
        """Predictor of the job."""
        return self.load()

    def __getstate__(self) -> dict[str, Any]:
        """State for another process, which loads networks and opens images, maybe millions."""
        return vars(replace(self, images=replace(self.images)))

    @cached_property
    def provenance(self) -> dict[str, str | int | None]:
        """Provenance of the job's files: all that they depend on."""
        return {
            "by": self.name,
            "networks": self.predictor.digest,
            "columns": ", ".join(self.predictor.task.columns),
            "images": self.images.digest,
            "part_size": self.images.size,
            "extras": ", ".join(self.extras),
        }

    @property
    def cost(self) -> str:
        """Describe in one line the work and the disk space, which follow from views and extras."""
        runs = self.predictor.runs
        passes = sum(len(run.models) * run.config.tta.n_views for run in runs)
        if FEATURES in self.extras and sum(len(run.models) for run in runs) > 1:
            passes += runs[0].config.tta.n_views
        row_bytes = self._row_bytes(FEATURES in self.extras)
        return (
            f"{console.count(self._count(), 'image')}; forward passes per image: {passes} "
            f"({', '.join(['predictions', *self.extras])}); "
            f"at most {row_bytes / 1000:.2f} GB of output per million galaxies"
        )

    def _row_bytes(self, has_features: bool) -> int:
        """Bytes of an image's predictions, their spread and intervals, and its features."""
        numbers = 1 + (SPREAD in self.extras) + 2 * (INTERVALS in self.extras)
        row_bytes = 4 * numbers * len(self.predictor.task.columns)
        if has_features:
            row_bytes += 2 * self.predictor.features(_one_black_image).size  # in half precision
        return row_bytes

    def run(self, jobs: int = 1, backend: str = "loky") -> dict[str, Any]:
        """Predict the parts that are missing, then read all back; returns the manifest's notes.

        Args:
            jobs: number of processes; 1: this one.
            backend: as in `run_jobs`.
        Raises:
            InputError: as of `check` and `begin`; or the folder, a part or the images changed
                meanwhile.
        """
        self.check()
        self.begin()
        started = time.perf_counter()
        for note in self.images.notes:
            ProgressBar.write(note)
        if jobs == 1:
            done = self.make_parts()
        else:
            done = sum(parallel.run_jobs(Survey.make_parts, [(self,)] * jobs, jobs, backend))
        return self._finish(done, time.perf_counter() - started)

    def check(
        self,
        table: Path | None = None,
        style: str = COLUMN_NAMES[0],
        option: str = "--table",
        has_features: bool = False,
    ) -> None:
        """Refuse by an `InputError`, before any prediction, what cannot be written or computed.

        Args:
            table: to be written once the survey is finished, if any; only one of the same columns
                and images may be there.
            style: of the table's column names, one of `COLUMN_NAMES`.
            option: that names the table.
            has_features: whether the table has the features.
        """
        if SPREAD in self.extras and min(len(run.models) for run in self.predictor.runs) < 2:
            raise InputError(f"--with {SPREAD} needs the networks of two folds or more")
        predicted = meanings(self.predictor.task, self.images.labels.column)
        repeated = sorted(predicted.keys() & set(self.images.kept_schema.names))
        if repeated:
            raise InputError(f"--keep {repeated[0]}: the predictions have a column of this name")
        if table is None:
            return
        inputs = [*self.images.paths, self.folder / ERRORS]
        paths.check_output(option, table, inputs, self._wrote)
        pieces = [self.images.kept_schema.empty_table()]
        # Parquet holds whatever a part holds, and is written in blocks.
        if table_format(table) != "parquet":
            self._check_memory(f"{option} {paths.shown(table)}", has_features)
            for carried_columns in self.images.kept.values():
                pieces += carried_columns.pieces()
        names = [self.images.labels.column, *self.predictor.task.columns]
        check_table(table, pa.concat_tables(pieces), names, style)
        if table_format(table) == "fits":
            self._check_ascii(table)

    def _wrote(self, table: Path) -> bool:
        """Check whether a table may be one of this survey."""
        label = self.images.labels.column
        task = self.predictor.task
        columns = [label, *self.images.kept_schema.names, *meanings(task, label)]
        return is_own_table(table, columns, task.columns, self._id_texts())

    def _check_memory(self, option: str, has_features: bool) -> None:
        """Refuse a table of another form than Parquet that this machine cannot hold."""
        memory = _TABLE_BYTES * self._row_bytes(has_features) * self._count()
        if memory > memory_bytes():
            raise InputError(
                f"{option}: a table of {self._count():,} images takes about {memory / 1e9:.0f} GB "
                f"of memory, and this machine has {memory_bytes() / 1e9:.0f} GB: use .parquet"
            )

    def _check_ascii(self, table: Path) -> None:
        """Refuse ids that FITS cannot hold."""
        for text in self._id_texts():
            if not text.isascii():
                raise InputError(
                    f"{paths.shown(table)}: FITS text must be ASCII, not '{text}': use .vot, "
                    ".ecsv or .parquet"
                )

    def _id_texts(self) -> Iterator[str]:
        """Ids of all images, readable or not."""
        for part in self.images.parts:
            for image_id in self.images.ids(part):
                yield str(image_id)

    def make_parts(self) -> int:
        """Predict the parts that are missing, beside other processes; returns how many images.

        When it ends, all parts are there: it waits for those that others hold.
        """
        self._begun.check()  # another process has opened images and networks of its own
        done = 0
        with ProgressBar(total=self._count(), desc="images", unit="image", leave=False) as bar:
            held = []  # by other processes, which are at work or will die
            for part in self.images.parts:
                record = self._record(part)
                with record.make_if_free() as filling:
                    if filling is None and record.state() != "finished":
                        held.append(part)
                        continue
                    done += self._fill(filling, part, bar)
            for part in held:
                with self._record(part).make(f"predicting part {part.number}") as filling:
                    done += self._fill(filling, part, bar)
        return done

    def _fill(self, filling: Filling | None, part: Part, bar: ProgressBar) -> int:
        """Predict a part, unless it is finished (None); returns how many images that were."""
        if filling is None:
            bar.update(len(part))
            return 0
        filling.notes = self._predict(part, bar)
        return len(part)

    def _count(self) -> int:
        return sum(len(part) for part in self.images.parts)

    def begin(self) -> None:
        """Write `job.json`, or refuse the folder of another job or parts whose images changed."""
        folder = paths.shown(self.folder)
        if self._has_other_files():  # asked first: the lock is a file in the folder
            raise InputError(f"FOLDER {folder} contains other files: choose a new folder")
        with self._begun.make(f"starting the survey {folder}"):
            pass
        for part in self.images.parts:
            record = self._record(part)
            if record.state() == "finished" and not part.is_of(record.notes):
                raise InputError(
                    f"{paths.shown(self.part_path(part))} belongs to other images: {record.advice}"
                )

    def _has_other_files(self) -> bool:
        """Ask whether the folder has files, but is not that of a survey."""
        if not self.folder.is_dir():
            return False
        visible = [path for path in self.folder.iterdir() if not path.name.startswith(".")]
        # Listed first: a survey that starts meanwhile writes `job.json` before its parts.
        return bool(visible) and not (self.folder / JOB).exists()

    @property
    def _begun(self) -> SealedFiles:
        # Never to delete this one, which may hold labels made by hand.
        return SealedFiles(self.folder / JOB, self.provenance, "choose a new folder")

    def _check_still_ours(self) -> None:
        """Stop where the folder was deleted, even if another job has begun there since."""
        try:
            self._begun.check()
        except InputError:
            raise files.deletion_error(self.folder) from None

    def _record(self, part: Part) -> PartFiles:
        return part_record(self.part_path(part), self.provenance)

    def _predict(self, part: Part, bar: ProgressBar) -> dict[str, Any]:
        """Predict a part; returns the notes of its record."""
        tables = []
        errors = []
        oddities = Oddities()
        checksums = dict[int, int]()
        for chunk in decode_ahead(self.predictor, part.images):
            tables.append(self._table(chunk))
            bar.update(len(chunk.images))
            for name, reason in chunk.problems:
                errors.append([one_line(name), one_line(reason)])
            add_oddities(oddities, chunk.count_oddities(self.predictor.galaxies))
            checksums |= chunk.checksums
        self._check_still_ours()
        table = pa.concat_tables(tables)
        networks = f"{self.name}, {self.predictor.digest}"
        label = self.images.labels.column
        # No date or version, for equal bytes
        schema = describe_columns(table.schema, self.predictor.task, label, networks)
        save_table(self.part_path(part), table.cast(schema))
        return {
            "errors": errors,
            "oddities": {kind: [n, one_line(first)] for kind, (n, first) in oddities.items()},
            "stamps": part.stamps,
            "content": digest_content(checksums),
        }

    def _table(self, chunk: Chunk) -> pa.Table:
        """Rows of a part: id, the predictions as float32, classes, and the extras."""
        predictor = self.predictor
        columns = list(predictor.task.columns)
        extras: dict[str, Any] = {}
        features: np.ndarray | None = None
        if SPREAD in self.extras:
            values, spread = predictor.predict_with_spread(chunk.decode)
            extras = _by_name(columns, spread, f"_{SPREAD}")
        elif FEATURES in self.extras:
            values, features = predictor.predict_with_features(chunk.decode)
        else:
            values = predictor.predict(chunk.decode)
        if self.intervals:
            bounds = self.intervals(values)
            for i, bound in enumerate(BOUNDS):
                extras |= _by_name(columns, bounds[..., i], f"_{bound}")
        if FEATURES in self.extras:
            if features is None:
                features = predictor.features(chunk.decode)
            in_half = features.astype(np.float16)  # rankings by them are the same
            extras[FEATURES] = pa.FixedSizeListArray.from_arrays(in_half.ravel(), in_half.shape[1])
        predictions = chunk.table(values, predictor.task)
        rows: dict[str, Any] = {self.images.labels.column: self._ids(list(predictions.index))}
        rows |= self.images.kept_columns(chunk)
        rows |= _by_name(columns, values)
        for name, classes in survey_classes(predictor.task, predictions, self.prior).items():
            rows[name] = pa.array(classes, pa.string())
        return pa.table(rows | extras)

    def _ids(self, names: list[str]) -> pa.Array:
        labels = self.images.labels
        kind = pa.int64() if labels.is_number else pa.string()
        return pa.array([labels[name] for name in names], kind)

    def _finish(self, done: int, seconds: float) -> dict[str, Any]:
        """Read all parts back; write the errors of all and the manifest; returns its notes.

        Args:
            done: number of images that this command predicted.
            seconds: that it took.
        Raises:
            InputError: a part, the folder or the images changed.
        """
        self._check_still_ours()
        rows = 0
        errors = list[tuple[str, str]]()
        oddities: Oddities = {}
        for part in self.images.parts:
            record = self._record(part)
            rows += self._count_rows(part, record)
            errors += record.notes["errors"]
            add_oddities(oddities, record.notes["oddities"])
        self._check_folder()
        self._check_images()
        self._save_errors(errors)
        sentences = describe_oddities(oddities, rows, self.predictor.task)
        for note in sentences:
            ProgressBar.write(note)
        notes = {
            "code_version": versions.code_version(),
            "opencv": cv2.__version__,
            "notes": self.images.notes + sentences,
            "inputs": [_relative(path, self.folder) for path in self.images.paths],
            "fits": asdict(self.images.fits),
            "parts": len(self.images.parts),
            "rows": rows,
            "errors": len(errors),
            "images_per_s": round(done / seconds, 1) if done else None,  # of the last command
        }
        mark = self.folder / MANIFEST
        SealedFiles(mark, self.provenance, self._begun.advice, [ERRORS]).seal(notes)
        return notes

    def _count_rows(self, part: Part, record: PartFiles) -> int:
        """Read a part back and count its rows.

        Raises:
            InputError: it was changed, or an image is not once among its rows and errors.
        """
        labels = self.images.labels
        errors = record.notes["errors"]
        path = record.path(self.part_path(part).name)
        ids = parquet.read_table(path, columns=[labels.column])[labels.column].to_pylist()
        counts = Counter(ids)
        counts.update(labels[name] for name, _ in errors)
        expected = Counter(self.images.ids(part))
        wrong = list((counts - expected) + (expected - counts))
        if wrong:
            raise InputError(
                f"{paths.shown(path)} lacks or repeats {labels.column} {wrong[0]}: {record.advice}"
            )
        return len(ids)

    def _check_folder(self) -> None:
        """Refuse files among the parts that are not of this job."""
        names = set[str]()
        for part in self.images.parts:
            record = self._record(part)
            names.add(record.mark.name)
            names.update(record.contents)
        for path in sorted((self.folder / PARTS).glob("[!.]*")):
            if path.name not in names:
                raise InputError(f"{paths.shown(path)} does not belong to this job: move it away")

    def _check_images(self) -> None:
        """Refuse images that changed since the start."""
        now = replace(self.images)  # opens the same paths again
        is_same = now.digest == self.images.digest
        if is_same:
            for part, part_now in zip(self.images.parts, now.parts, strict=True):
                notes = self._record(part).notes
                is_same &= part_now.stamps == part.stamps and part_now.is_of(notes)
        if not is_same:
            raise InputError(f"IMAGES changed during prediction: {self._begun.advice}")

    def _save_errors(self, errors: list[tuple[str, str]]) -> None:
        """Write the list of images that cannot be read, by name and reason."""
        ids = self._ids([name for name, _ in errors])
        reasons = pa.array([reason for _, reason in errors], pa.string())
        table = pa.table({self.images.labels.column: ids, "reason": reasons})
        save_table(self.folder / ERRORS, table)

    def part_path(self, part: Part) -> Path:
        """Path of a part's predictions."""
        return part_path(self.folder, part.number)


def _one_black_image(image: ImageConfig) -> np.ndarray:
    return np.zeros((1, image.cache_px, image.cache_px, 3), np.uint8)


def choose_networks(
    folder: Path, student: Callable[[], Predictor], folds: Callable[[], Predictor]
) -> tuple[str, Callable[[], Predictor]]:
    """Choose between student and folds' networks: those that began the survey, else the student.

    Args:
        folder: of the survey; may be missing.
        student: loads the bundled student, or the folds' networks where there is none.
        folds: loads the folds' networks.
    Returns:
        The run's name for the records, and the chosen loader.
    Raises:
        InputError: `job.json` is damaged.
    """
    load = student
    job = folder / JOB
    if job.exists():
        with advise("choose a new folder"):
            begun = manifest.read_sealed(job)["made_by"]["networks"]
        if begun == folds().digest:
            load = folds
    return load().runs[0].config.run, load


def add_features(folder: Path) -> None:
    """Compute what a finished survey lacks, features of its images by a bundled network.

    They become a survey of its own in `features/`, so that an interrupted command can go on.
    """
    survey = finished.read_finished(folder)
    if survey.has_features or (folder / FEATURES / MANIFEST).exists():
        return  # who reads them checks them
    for _ in finished.read_parts(folder, survey):
        pass  # refuses other images than those predicted
    name = layout.bundled_runs(kinds.COMPETITION_TASK)[0]
    student = partial(load_predictor, BUNDLED, name, views=1, by_student=True)
    name, load = choose_networks(
        folder / FEATURES, student, partial(load_predictor, BUNDLED, name, [0], 1)
    )
    print(f"{paths.shown(folder)} has no features: computing them once", flush=True)
    Survey(folder / FEATURES, name, load, survey.images, np.empty(0), (FEATURES,)).run()


def _by_name(columns: list[str], values: np.ndarray, ending: str = "") -> dict[str, np.ndarray]:
    """Columns of (image, column) values, as float32, by their names with that ending."""
    names = [column + ending for column in columns]
    return dict(zip(names, values.astype(np.float32).T, strict=True))


def survey_classes(
    task: kinds.Task, predictions: pd.DataFrame, prior: np.ndarray
) -> dict[str, list[str]]:
    """Labels of each class column, by its name: a class task's decision, or each rule on votes.

    Args:
        predictions: (galaxy, column), valid.
        prior: (column,) means of the training targets.
    """
    if task.name == kinds.COMPETITION_TASK:
        return classes_of_votes(predictions)
    decided = task.with_decision(predictions, prior)
    return {name: decided[name].tolist() for name in task.decision_columns}


def classes_of_votes(votes: pd.DataFrame) -> dict[str, list[str]]:
    """Apply every task's label rule to (galaxy, 37) vote fractions; "" where unclear.

    No nulls: astropy 8.0.2 refuses them in columns of text.
    """
    votes = votes.reset_index(drop=True)
    classes = {}
    for name, task in registry.TASKS.items():
        if task.rule is None:
            continue
        labels = task.rule.labels(votes)  # of clear galaxies alone
        if labels.empty:
            classes[name] = [""] * len(votes)
        else:
            clear = labels.idxmax(axis=1)
            classes[name] = clear.reindex(votes.index, fill_value="").tolist()
    return classes


def _relative(path: Path, folder: Path) -> str:
    """Path from a folder; in link/../images, `..` is the folder above the link's target."""
    return relpath(path.parent.resolve() / path.name, folder.resolve())
