"""Studies: a base recipe and changes to it, trained on the same folds of a dataset.

An ablation lists its changes (`ablation.py`); in a search Optuna chooses them (`search.py`).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from galaxyzoo.config.base import Settings, read_yaml
from galaxyzoo.config.loading import listed_path, read_recipe
from galaxyzoo.config.schema import Config
from galaxyzoo.config.stages import Values, parse_recipe
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import configs_dir, shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import get_task


class Study(Settings):
    """A base recipe and how to change it: the YAML of an ablation or a search."""

    FOLDER: ClassVar[str]  # in configs/
    KIND: ClassVar[str]  # for messages
    PREFIX: ClassVar[str]  # before the study's name in those of its runs
    SUFFIX: ClassVar[str] = ""  # behind it in the name of the base's run

    about: str = ""
    """description for tables and reports"""
    base: str | dict[str, Any]
    """name of a run, or settings as in a run's own YAML"""
    _path: Path

    @classmethod
    def load(cls, name: str) -> Self:
        """Read a study, by its name in the folder or the path of its YAML; check every change."""
        path = listed_path(configs_dir() / cls.FOLDER, name, cls.KIND)
        study = cls.parse(read_yaml(path), shown(path))
        study._path = path
        study.check()
        return study

    def check(self) -> None:
        """Check every change, before a dataset is known."""
        raise NotImplementedError

    @property
    def path(self) -> Path:
        """The YAML."""
        return self._path

    @cached_property
    def values(self) -> Values:
        """Settings of the base, as in a run's own YAML."""
        return read_recipe(self.base) if isinstance(self.base, str) else self.base

    @cached_property
    def config(self) -> Config:
        """The base, checked."""
        return self.make_config(self.values, self.SUFFIX, f"{shown(self.path)}, base")

    def make_config(self, values: Values, suffix: str, source: str) -> Config:
        """Check the settings of a variant; `suffix` ends its run's name."""
        run = f"{values.get('task')}/{self.PREFIX}{self.path.stem}{suffix}"
        return parse_recipe({**values, "run": run}, source, read_recipe)


@dataclass
class Experiment:
    """A study on some folds of a dataset."""

    study: Study
    data: Dataset
    folds: tuple[int, ...]

    @cached_property
    def task(self) -> Task:
        """The task of all its runs."""
        return get_task(self.study.config.task)

    @cached_property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that the task keeps."""
        return self.data.catalog.for_task(self.task)

    def check_folds(self, option: str) -> None:
        """Refuse folds that the dataset does not have; `option` sets them."""
        for fold in self.folds:
            if not 0 <= fold < self.catalog.n_folds:
                raise InputError(
                    f"there is no fold {fold}: '{self.catalog.dataset}' has folds 0 to "
                    f"{self.catalog.n_folds - 1} ({option})"
                )
