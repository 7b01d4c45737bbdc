"""Trials: repeated where interrupted, given up when bad, and the best one's config."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import DivergenceError, FoldError, InputError
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.extras.tuning.search import Tuning
from galaxyzoo.extras.tuning.search_space import Search
from galaxyzoo.training import fold
from galaxyzoo.training.fold import History, train_fold
from galaxyzoo.training.fold_data import FoldData
from support.commands import COMPETITION, succeed
from support.kills import Killed
from support.small_models import BASE, write_search
from support.thoroughness import is_long, thorough

optuna = pytest.importorskip("optuna")  # of `bash scripts/setup.sh --extras`
alembic = pytest.importorskip("alembic.script")  # reads the versions of Optuna's databases
sqlalchemy = pytest.importorskip("sqlalchemy")

Scoring = Callable[[Config, int, int], float]  # of a config, the number of the call, and an epoch


def trials(search: Tuning) -> list[Any]:
    """Done trials, the best first, stopped ones last."""
    with search.open_study() as study:
        done = [t for t in study.trials if t.state.name in ("COMPLETE", "PRUNED")]
    return sorted(done, key=lambda t: (score(t) is None, score(t) or 0, t.number))


def score(trial: Any) -> float | None:
    return trial.value if trial.state.name == "COMPLETE" else None


def scores(search: Tuning) -> list[tuple[int, float | None, int, dict[str, Any]]]:
    """Number, score, epochs and settings of each done trial, the best first."""
    return [
        (t.number, score(t), len(t.intermediate_values), search.search.decode(t.params))
        for t in trials(search)
    ]


def by_lr(config: Config, call: int, epoch: int) -> float:
    """Best at a learning rate of 1e-3, from the first epoch on."""
    return 0.1 + abs(math.log10(config.train.lr) + 3) + 0.01 / epoch


@dataclass
class Lab:
    """Makes searches; their training may be replaced by made-up scores."""

    prepared: Dataset
    patch: pytest.MonkeyPatch
    folder: Path

    def make(self, epochs: int = 3, train: Mapping[str, Any] = {}, **changes: object) -> Tuning:
        base = {**BASE, "train": {"epochs": epochs, "batch_size": 8, **train}}
        path = write_search(self.folder, base=base, **changes)
        return Tuning(Search.load(str(path)), self.prepared)

    def fake(self, score: Scoring = by_lr) -> list[Path]:
        """Replace training by scores; returns the folders of trials that were trained."""
        seen: list[Path] = []

        def train(
            config: Config,
            _: FoldData,
            folder: Path,
            after_epoch: Callable[[History], None],
        ) -> None:
            seen.append(folder)
            rows: list[dict[str, Any]] = []
            for epoch in range(1, config.train.epochs + 1):
                rows.append({"epoch": epoch, "val_score": score(config, len(seen), epoch)})
                after_epoch(rows)

        self.patch.setattr(fold, "train_fold", train)
        return seen


@functools.cache
def newest_version(folder: str) -> str:
    """Of databases: Optuna reads all its scripts for it each time that it opens a study."""
    return alembic.ScriptDirectory(folder).revision_map.get_current_head()


def forget_power_cuts(connection: Any, _: object) -> None:
    """Let no commit of SQLite wait for the disk, as in conftest.py."""
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(autouse=True, scope="module")
def quick_studies() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        newest = lambda scripts: newest_version(str(scripts.dir))  # noqa: E731
        patch.setattr(alembic.ScriptDirectory, "get_current_head", newest)
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", forget_power_cuts)
        yield
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", forget_power_cuts)


@pytest.fixture
def lab(prepared: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    return Lab(prepared, monkeypatch, tmp_path)


@pytest.mark.parametrize(("end", "last"), [(Killed, 13), (KeyboardInterrupt, 5)])
def test_an_interrupted_trial_runs_again_and_done_ones_stay(lab, end, last):
    def ending(config: Config, call: int, epoch: int) -> float:
        if (call, epoch) == (3, 2):
            raise end
        return by_lr(config, call, epoch)

    seen = lab.fake(ending)
    search = lab.make()
    with pytest.raises(end):
        search.train(5, 1, "loky")
    before = scores(search)
    for goal in (2, 4, 4, last):  # 13: more than the ten that are drawn before the sampler learns
        search.train(goal, 1, "loky")
    after = scores(search)
    assert len({str(picks) for *_, picks in after}) == len(after) == last
    assert [row for row in after if row[0] in (0, 1)] == before
    assert seen == [search.folder / f"trial_{n}" for n in (0, 1, 2, 2, *range(4, last + 1))]
    with search.open_study() as study:
        assert study.trials[3].params == study.trials[2].params


def train_until_killed(whole: Tuning, epoch: int) -> None:
    """Train a trial, killed after that epoch."""

    def killed(
        config: Any, data: Any, folder: Path, after_epoch: Callable[[History], None]
    ) -> None:
        def look(rows: History) -> None:
            after_epoch(rows)
            if len(rows) == epoch:
                raise Killed

        train_fold(config, data, folder, look)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold, "train_fold", killed)
        with pytest.raises(Killed):
            whole.train(1, 1, "loky")


def test_a_trial_goes_on_from_its_last_whole_epoch(lab):
    whole = lab.make()
    whole.train(1, 1, "loky")
    history = ((whole.folder / "trial_0") / "history.csv").read_bytes()
    expected = scores(whole)
    left = sorted(path.name for path in (whole.folder / "trial_0").iterdir())
    assert left == [".lock", "history.csv", "timings.csv"]
    assert expected[0][2] == 3
    for epoch in (2, 3):  # the third is the last
        whole.folder.rename(lab.folder / f"before_{epoch}")
        train_until_killed(whole, epoch)
        whole.train(1, 1, "loky")
        assert [row[1:] for row in scores(whole)] == [row[1:] for row in expected]
        assert ((whole.folder / "trial_0") / "history.csv").read_bytes() == history
        epochs = ((whole.folder / "trial_0") / "timings.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in epochs] == ["1", "2", "3"]  # none twice


@pytest.mark.parametrize("end", [Killed, FoldError("out of memory"), InputError("no download")])
def test_a_trial_whose_process_ends_every_time_is_given_up(lab, end):
    """It is no answer to the search, and its settings are not drawn again."""
    failing = set[float]()

    def failing_first(config: Config, call: int, epoch: int) -> float:
        if call == 1 or config.train.lr in failing:
            failing.add(config.train.lr)
            raise end
        return by_lr(config, call, epoch)

    seen = lab.fake(failing_first)
    search = lab.make()
    for _ in range(3):
        with pytest.raises(end if isinstance(end, type) else type(end)):
            search.train(2, 1, "loky")
    search.train(2, 1, "loky")
    assert len(seen) == 5
    assert [score is None for _, score, *_ in scores(search)] == [False, False]


def test_trials_that_diverge_or_make_no_network_are_done(lab):
    def diverging(config: Config, call: int, epoch: int) -> float:
        raise DivergenceError("the loss is nan")

    seen = lab.fake(diverging)
    space = {"model.kwargs.widths": {"type": "choice", "choices": [[8, 16], []]}}
    search = lab.make(space=space)
    search.train(2, 1, "loky")
    assert len(seen) == 1  # the other's settings make none
    assert [score for _, score, *_ in scores(search)] == [None, None]


RATES = [1e-4, 1e-3, 1e-2]
WIDTHS = [[8], [8, 16]]
GRID = {
    "train.lr": {"type": "choice", "choices": RATES},
    "model.kwargs.widths": {"type": "choice", "choices": WIDTHS},
}


@pytest.mark.parametrize("end", [Killed, KeyboardInterrupt])
@pytest.mark.parametrize("last", [2, 6])
def test_of_choices_alone_each_combination_is_tried_once(lab, end, last):
    """However many trials are asked for, also where one was interrupted, such as the last."""

    def interrupted(config: Config, call: int, epoch: int) -> float:
        if call == last:
            raise end
        return by_lr(config, call, epoch)

    seen = lab.fake(interrupted)
    search = lab.make(space=GRID)
    with pytest.raises(end):
        search.train(last, 1, "loky")
    for goal in (4, 50, 50):
        search.train(goal, 1, "loky")
    picked = [(p["train.lr"], p["model.kwargs.widths"]) for *_, p in scores(search)]
    assert sorted(picked) == [*itertools.product(RATES, WIDTHS)]
    assert len(seen) == 6 + 1


@pytest.mark.parametrize("end", [Killed, FoldError("out of memory")])
def test_a_combination_that_is_given_up_is_not_replaced_by_another(lab, end):
    failing: list[Config] = []

    def failing_first(config: Config, call: int, epoch: int) -> float:
        if call == 1:
            failing.append(config)
        if (config.train.lr, config.model) == (failing[0].train.lr, failing[0].model):
            raise end
        return by_lr(config, call, epoch)

    seen = lab.fake(failing_first)
    search = lab.make(space=GRID)
    for _ in range(3):
        with pytest.raises(end if isinstance(end, type) else type(end)):
            search.train(50, 1, "loky")
    for _ in range(2):
        search.train(50, 1, "loky")
    picked = {str(picks) for *_, picks in scores(search)}
    assert len(picked) == len(scores(search)) == 5
    assert len(seen) == 3 + 5


@pytest.mark.parametrize("epochs", [3, 4])
def test_a_trial_worse_than_the_median_ends_early(lab, epochs):
    lab.fake(lambda config, call, epoch: (call > 5) + 1 / epoch)
    search = lab.make(epochs)
    search.train(6, 1, "loky")
    *good, bad = (row[:3] for row in scores(search))
    assert good == [(number, 1 / epochs, epochs) for number in range(5)]
    # A trial in its last epoch is whole.
    assert bad == (5, 1 + 1 / 3 if epochs == 3 else None, 3)


@pytest.mark.parametrize(("checkpoint", "expected"), [("last", 0.5), ("best", 0.2)])
def test_the_score_is_of_the_epoch_whose_weights_are_kept(lab, checkpoint, expected):
    lab.fake(lambda config, call, epoch: [0.4, 0.2, 0.5][epoch - 1])
    search = lab.make(train={"checkpoint": checkpoint})
    search.train(1, 1, "loky")
    assert scores(search)[0][1] == expected
    assert "as it selected the trial" in search.write_best()[1]


def test_the_winners_config_is_the_best_trials(lab):
    lab.fake(lambda config, call, epoch: 1 / call)
    search = lab.make()
    search.train(3, 1, "loky")
    number, *_, picks = scores(search)[0]
    assert number == 2
    path, _ = search.write_best()
    config = load_config(str(path))
    trial = search.search.change(picks)
    assert config.model_copy(update={"about": trial.about, "run": trial.run}) == trial
    assert config.head.dropout == picks["head.dropout"]
    text = path.read_text()
    assert "validation RMSE 0.33333 on fold 0 of kaggle-" in text
    assert "reference" not in yaml.safe_load(text)


def test_what_does_not_fit_the_study_is_refused(lab):
    lab.fake()
    lab.make().train(1, 1, "loky")
    fewer = {"train.lr": {"type": "float", "low": 1e-4, "high": 1e-3}}
    for other in (lab.make(epochs=4), lab.make(space=fewer)):
        with pytest.raises(InputError, match="was made with other settings or data: delete"):
            other.train(1, 1, "loky")
    with pytest.raises(InputError, match=r"tiny\.yaml: `fold` must be 0 to 2"):
        lab.make(fold=3).check()


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which the command was called twice."""
    root = tmp_path_factory.mktemp("tuned")
    COMPETITION.write_zips(root / "input")
    write_search(root)
    for words in (["1"], ["3", "--jobs", "2"] if is_long() else ["2"]):
        result = succeed(root, "tune.py", "tiny.yaml", "--trials", *words)
        assert result.stdout.count("COMPLETE") == int(words[0])
        assert "optimistic" in result.stdout
    return root


@pytest.mark.slow
def test_the_command_goes_on_and_its_winner_trains(tuned):
    (study,) = tuned.glob("folds/*/gz37/tune.tiny/fold_0/study.db")
    trials = sorted(path.parent.name for path in study.parent.glob("trial_*/history.csv"))
    assert trials == [f"trial_{number}" for number in range(thorough(2, 3))]
    assert not list(study.parent.rglob("*.safetensors"))
    last = {
        path.parent.name: float(path.read_text().splitlines()[-1].split(",")[5])
        for path in study.parent.glob("trial_*/history.csv")
    }
    best = min(last, key=lambda name: last[name])
    config = study.parent / "tiny_tuned.yaml"
    text = config.read_text()
    number = best.removeprefix("trial_")
    assert (
        f"# Trial {number}, the best of {len(trials)} trials: validation RMSE {last[best]:.5f} on"
        in text
    )
    # The same network comes of the ordinary command: fold 0's score is the trial's.
    succeed(tuned, "train.py", str(config.relative_to(tuned)), "--only", "0")
    (own,) = tuned.glob("folds/*/gz37/tiny_tuned/fold_0/history.csv")
    assert own.read_bytes() == (study.parent / best / "history.csv").read_bytes()
