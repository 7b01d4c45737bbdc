"""Stand-ins for Kaggle and the survey's server; the real clients meet them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from galaxyzoo.data.readers import kaggle
from support.cutout_server import CutoutServer
from support.cutout_server import serving as serving_cutouts
from support.datasets import PARTS, draw_competition
from support.kaggle_server import KEY, USERNAME, KaggleServer, serving, without_credentials

COMPETITION = draw_competition(n_train=6, n_test=5, seed=8)


@pytest.fixture(scope="module")
def kaggle_zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = COMPETITION.write_zips(tmp_path_factory.mktemp("zips"))
    return {f"{part}.zip": (folder / f"{part}.zip").read_bytes() for part in PARTS}


@pytest.fixture
def stand_in(kaggle_zips: dict[str, bytes]) -> Iterator[KaggleServer]:
    with serving(dict(kaggle_zips)) as running:
        yield running


@pytest.fixture
def rests(stand_in: KaggleServer, root: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses, noted and not made; the client of this process meets the stand-in with a key."""
    for name in set(os.environ) - set(without_credentials()):
        monkeypatch.delenv(name)
    for name, value in without_credentials().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KAGGLE_USERNAME", USERNAME)
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    monkeypatch.setenv("HOME", str(root))
    from kagglesdk import kaggle_env

    known = kaggle_env._env_to_endpoint
    monkeypatch.setitem(known, kaggle_env.KaggleEnv.PROD, stand_in.endpoint)
    monkeypatch.setattr(kaggle, "COMPETITION_SIZE", (6, 5))
    made: list[float] = []
    monkeypatch.setattr("galaxyzoo.extras.download.kaggle_api.time.sleep", made.append)
    return made


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CutoutServer]:
    """A stand-in for the survey's server, reached without a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving_cutouts() as running:
        yield running
