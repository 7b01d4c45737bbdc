"""Columns of the inputs' tables stand in the rows of their images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.surveys.survey import Survey
from support.pictures import draw_image, encode
from support.surveys import make_job

ORDER = np.random.default_rng(5).permutation(11)
TABLE = pd.DataFrame(
    {
        "id": ORDER + 100,
        "ra": ORDER * 30.5,
        "dec": ORDER * -7.25,
        "name": [f"NGC {number}" if number % 3 else None for number in ORDER],
        "redshift": [number / 10 if number % 4 else None for number in ORDER],
        "plate": ORDER + 2**53,
        "elliptical": 1.0,  # as one of the predictions
    }
)
PICTURES = [
    b"no image" if number == 4 else encode(draw_image(np.random.default_rng(number), 48))
    for number in ORDER
]


def make_list(folder: Path) -> Path:
    for number, picture in zip(ORDER, PICTURES, strict=True):
        (folder / f"{number}.jpg").write_bytes(picture)
    TABLE.assign(path=[f"{number}.jpg" for number in ORDER]).to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def make_parquet(folder: Path) -> Path:
    TABLE.assign(image=PICTURES).to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def keeping(job: Survey, *names: str) -> Survey:
    return replace(job, images=replace(job.images, keep=names))


def read_rows(job: Survey) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(job.part_path(part)) for part in job.images.parts])


@pytest.fixture(params=[make_list, make_parquet])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Survey:
    return make_job(tmp_path / "votes", request.param(tmp_path))


def test_kept_columns_are_those_of_each_image(job):
    names = ["name", "redshift", "plate", "dec"]
    job = keeping(job, *names)
    job.run()
    rows = read_rows(job).set_index("GalaxyID")
    assert rows.columns[: len(names)].tolist() == names
    expected = TABLE.set_index("id").loc[rows.index]
    assert len(rows) == len(ORDER) - 1  # one cannot be read
    assert rows["name"].tolist() == expected["name"].fillna("").tolist()
    assert rows["plate"].tolist() == expected["plate"].tolist()
    for name in ("redshift", "dec"):
        np.testing.assert_array_equal(rows[name], expected[name])


def test_the_position_is_kept_unasked_with_its_unit(job):
    job.run()
    rows = read_rows(job).set_index("GalaxyID")
    assert rows.columns[:2].tolist() == ["ra", "dec"]
    np.testing.assert_array_equal(rows["ra"], TABLE.set_index("id").loc[rows.index, "ra"])
    field = parquet.read_schema(job.part_path(job.images.parts[0])).field("dec")
    assert [field.metadata[k] for k in (b"unit", b"ucd")] == [b"deg", b"pos.eq.dec;meta.main"]


def test_columns_of_two_types_are_numbers_or_one_line(tmp_path):
    for name, cell in {"a": "7", "b": "7.5", "c": "x"}.items():
        (tmp_path / f"{name}.csv").write_text(f"id,path,objid\n{name},1.jpg,{cell}\n")
    number, fraction, text = (tmp_path / f"{name}.csv" for name in "abc")
    job = keeping(make_job(tmp_path / "votes", number, fraction), "objid")
    assert pa.concat_tables(job.images.kept.values())["objid"].to_pylist() == [7.0, 7.5]
    with pytest.raises(InputError, match=r"objid: column types differ between .*a.csv and .*c"):
        keeping(make_job(tmp_path / "votes", number, text), "objid").run()


def test_what_cannot_be_kept_is_one_line(job, tmp_path):
    with pytest.raises(InputError, match=r"--keep Z: \S+ has the columns id, ra, dec"):
        keeping(job, "Z").run()
    with pytest.raises(InputError, match="--keep elliptical: the predictions have a column"):
        keeping(job, "elliptical").run()
    assert not job.folder.exists()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "1.jpg").write_bytes(PICTURES[0])
    with pytest.raises(InputError, match=r"--keep ra: \S+ has no columns"):
        keeping(make_job(tmp_path / "other", tmp_path / "folder"), "ra").run()
