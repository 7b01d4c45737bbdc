"""Columns of the inputs' tables stand in the rows of their images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from astropy.table import Table
from pyarrow import parquet

from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.surveys.images import SurveyImages
from galaxyzoo.extras.surveys.survey import Survey
from support.pictures import draw_image, encode
from support.refusals import one_line_refusal
from support.surveys import Brightness, make_job, read_columns

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
PICTURES = [encode(draw_image(np.random.default_rng(number), 48)) for number in ORDER]
PICTURES[ORDER.tolist().index(4)] = b"no image"


def make_list(folder: Path) -> Path:
    for number, picture in zip(ORDER, PICTURES, strict=True):
        (folder / f"{number}.jpg").write_bytes(picture)
    TABLE.assign(path=[f"{number}.jpg" for number in ORDER]).to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def make_parquet(folder: Path) -> Path:
    TABLE.assign(image=PICTURES).to_parquet(folder / "a.parquet")
    return folder / "a.parquet"


def write_as(table: pd.DataFrame, folder: Path, ending: str) -> Path:
    """A list in one of its forms, in place of the one before."""
    path = folder / f"list.{ending}"
    if ending == "csv":
        table.to_csv(path, index=False)
    elif ending == "parquet":
        table.to_parquet(path, row_group_size=1)
    else:
        Table.from_pandas(table).write(path, overwrite=True)
    return path


def keeping(job: Survey, *names: str) -> Survey:
    return replace(job, images=replace(job.images, keep=names))


def kept_rows(job: Survey) -> pa.Table:
    return pa.concat_tables(piece for kept in job.images.kept.values() for piece in kept.pieces())


def read_rows(job: Survey) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(job.part_path(part)) for part in job.images.parts])


@pytest.fixture(params=[make_list, make_parquet])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Survey:
    return make_job(tmp_path / "votes", request.param(tmp_path))


def test_kept_columns_are_those_of_each_image(job):
    job = keeping(job, "name", "redshift", "plate", "dec")
    job.run()
    rows = read_rows(job).set_index("GalaxyID")
    assert rows.columns[:5].tolist() == ["ra", "name", "redshift", "plate", "dec"]
    expected = TABLE.set_index("id").loc[rows.index]
    assert len(rows) == len(ORDER) - 1  # one cannot be read
    assert rows["name"].isna().tolist() == expected["name"].isna().tolist()
    assert rows["name"].dropna().tolist() == expected["name"].dropna().tolist()
    assert rows["plate"].tolist() == expected["plate"].tolist()
    for name in ("redshift", "ra", "dec"):
        np.testing.assert_array_equal(rows[name], expected[name])


def test_the_position_is_kept_unasked_with_its_unit(job):
    job.run()
    rows = read_rows(job).set_index("GalaxyID")
    assert rows.columns[:2].tolist() == ["ra", "dec"]
    np.testing.assert_array_equal(rows["ra"], TABLE.set_index("id").loc[rows.index, "ra"])
    field = parquet.read_schema(job.part_path(job.images.parts[0])).field("dec")
    assert [field.metadata[k] for k in (b"unit", b"ucd")] == [b"deg", b"pos.eq.dec;meta.main"]


@pytest.mark.parametrize(
    "names", [("RA", "DEC"), ("RAJ2000", "DEJ2000"), ("coord_ra", "coord_dec")]
)
@pytest.mark.parametrize("keep", [[], ["name"], ["{0}", "{1}"]], ids=len)
def test_a_position_is_kept_as_ra_and_dec_whatever_the_list_calls_it(tmp_path, names, keep):
    path = make_list(tmp_path)
    table = pd.read_csv(path).rename(columns=dict(zip(("ra", "dec"), names, strict=True)))
    table.to_csv(path, index=False)
    keep = [name.format(*names) for name in keep]
    rows = kept_rows(keeping(make_job(tmp_path / "votes", path), *keep))
    written = [*keep] if len(keep) == 2 else ["ra", "dec", *keep]
    assert rows.column_names == written
    assert rows[written[0]].to_pylist() == TABLE["ra"].tolist()
    assert rows[written[1]].to_pylist() == TABLE["dec"].tolist()


@pytest.mark.parametrize("name", ["images.csv", "images.parquet", "images.fits"])
def test_a_folder_of_images_has_no_columns_whatever_it_is_called(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "g.jpg").write_bytes(encode(draw_image(np.random.default_rng(0))))
    assert SurveyImages((tmp_path / name,)).kept == {}


@pytest.mark.parametrize("ending", ["csv", "parquet", "fits"])
@pytest.mark.parametrize("dec", ["+02:13:00", "2.2166666666666668"])
def test_a_position_in_hours_and_degrees_is_kept_in_degrees(tmp_path, ending, dec):
    sky = {"RAJ2000": ["10:08:00.1", ""], "DEJ2000": [dec, ""]}
    table = pd.DataFrame({"path": ["1.jpg", "2.jpg"], **sky})
    path = write_as(table, tmp_path, ending)
    kept = SurveyImages((path,)).kept[path]
    rows = kept.take(np.array([0, 1]))
    assert kept.schema.field("ra").type == kept.schema.field("dec").type == pa.float64()
    assert rows["ra"].to_pylist() == [pytest.approx(15 * (10 + 8 / 60 + 0.1 / 3600)), None]
    assert rows["dec"].to_pylist() == [pytest.approx(2 + 13 / 60), None]
    table.loc[1, "RAJ2000"] = "unknown"
    path = write_as(table, tmp_path, ending)
    kept = SurveyImages((path,)).kept[path].take(np.array([1]))["ra"].to_pylist()
    assert kept == [None if ending == "parquet" else "unknown"]  # the first row group decides


def test_a_position_that_is_a_category_is_kept_in_degrees(tmp_path):
    table = pd.DataFrame({"path": ["1.jpg"], "ra": ["10:00:00"], "dec": ["+02d"]}, dtype="category")
    path = write_as(table, tmp_path, "parquet")
    rows = SurveyImages((path,)).kept[path].take(np.array([0]))
    assert [rows["ra"][0].as_py(), rows["dec"][0].as_py()] == pytest.approx([150, 2])


def test_lists_that_name_their_positions_otherwise_have_the_same_columns(tmp_path):
    for name, column in {"a": "ra,dec", "b": "RA_DEG,Dec_deg", "c": "RA,mag"}.items():
        (tmp_path / f"{name}.csv").write_text(f"id,path,{column}\n{name},1.jpg,1.5,2.5\n")
    paths = [tmp_path / f"{name}.csv" for name in "abc"]
    kept = kept_rows(make_job(tmp_path / "votes", *paths[:2]))
    assert kept.to_pydict() == {"ra": [1.5, 1.5], "dec": [2.5, 2.5]}
    assert make_job(tmp_path / "others", *paths).images.kept == {}


def test_columns_of_two_types_are_numbers_or_one_line(tmp_path):
    for name, cell in {"a": "7", "b": "7.5", "c": "x"}.items():
        (tmp_path / f"{name}.csv").write_text(f"id,path,objid\n{name},1.jpg,{cell}\n")
    number, fraction, text = (tmp_path / f"{name}.csv" for name in "abc")
    job = keeping(make_job(tmp_path / "votes", number, fraction), "objid")
    assert kept_rows(job)["objid"].to_pylist() == [7.0, 7.5]
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


@pytest.mark.parametrize("names", [[], ["redshift", "name"]])
def test_the_position_is_kept_besides_what_is_asked_for(job, names):
    job = keeping(job, *names)
    assert kept_rows(job).column_names == ["ra", "dec", *names]


# Values of a column, and its type in a CSV, which has none of its own
TYPED = {
    "int8": (pa.array([1, -128, 127], pa.int8()), pa.int64()),
    "uint8": (pa.array([1, 0, 255], pa.uint8()), pa.int64()),
    "int16": (pa.array([1, -(2**15), 2**15 - 1], pa.int16()), pa.int64()),
    "uint16": (pa.array([1, 0, 2**16 - 1], pa.uint16()), pa.int64()),
    "int32": (pa.array([1, -(2**31), 2**31 - 1], pa.int32()), pa.int64()),
    "uint32": (pa.array([1, 0, 2**32 - 1], pa.uint32()), pa.int64()),
    "int64": (pa.array([2**53 + 1, -(2**63), 2**63 - 1], pa.int64()), pa.int64()),
    "uint64": (pa.array([1, 0, 2**64 - 1], pa.uint64()), pa.string()),
    "bool": (pa.array([True, False, True]), pa.bool_()),
    "float32": (pa.array([17.5, -0.25, 1e9], pa.float32()), pa.float64()),
    "float64": (pa.array([17.5, -0.25, 1e9]), pa.float64()),
    "text": (pa.array(["NGC 1", "NA", "001"]), pa.string()),
    "nothing": (pa.nulls(3, pa.int16()), pa.float64()),
}


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_a_missing_value_is_null_and_a_column_has_one_type_in_all_parts(tmp_path, ending):
    """The first of three parts has no value at all."""
    (tmp_path / "1.png").write_bytes(PICTURES[0])
    columns = {"id": pa.array(range(9)), "path": pa.array(["1.png"] * 9)}
    for name, (values, _) in TYPED.items():
        columns[name] = pa.concat_arrays([pa.nulls(5, values.type), values, values[:1]])
    table = pa.table(columns)
    path = tmp_path / f"typed{ending}"
    if ending == ".csv":
        table.to_pandas(types_mapper=pd.ArrowDtype).to_csv(path, index=False)
    else:
        parquet.write_table(table, path)
    job = keeping(make_job(tmp_path / "votes", path), *TYPED)
    job.run()
    parts = [parquet.read_table(job.part_path(part)) for part in job.images.parts]
    assert [len(part) for part in parts] == [4, 4, 1]
    assert parts[0].schema == parts[1].schema == parts[2].schema
    rows = pa.concat_tables(parts)
    for name, (_, csv_type) in TYPED.items():
        expected = pa.chunked_array([columns[name]])
        if ending == ".csv":
            expected = expected.cast(csv_type)
        assert rows[name].equals(expected), name


# Cells of a CSV -> values
CELLS: dict[str, tuple[list[str], list[object]]] = {
    "R's NA": (["1", "NA", "-3"], [1, None, -3]),
    "numpy's nan": (["1", "nan", "NaN"], [1, None, None]),
    "NaN among fractions": (["1.5", "nan", "2"], [1.5, None, 2.0]),
    "booleans": (["TRUE", "false", "NA"], [True, False, None]),
    "NaN alone": (["nan", "", "NaN"], [None, None, None]),
    "names": (["NA", "", "nan 1"], ["NA", None, "nan 1"]),
    "a name": (["NA", "", "NA"], ["NA", None, "NA"]),
    "signs": (["+1.5", "-", "--"], [1.5, None, None]),
    "databases' words": (["null", "None", "-7"], [None, None, -7]),
    "spreadsheets' words": (["N/A", "<NA>", ".5"], [None, None, 0.5]),
    "signs alone": (["-", "", "--"], ["-", None, "--"]),
    "signs among names": (["-", "", "x"], ["-", None, "x"]),
    "a point": ([".", "", "1.5"], [".", None, "1.5"]),
    "a plus": (["+", "", "1.5"], ["+", None, "1.5"]),
    "an exponent": (["e5", "1.5", "-e5"], ["e5", "1.5", "-e5"]),
    "zeros and fractions": (["001", "1.5", "00.5"], ["001", "1.5", "00.5"]),
    "exponents": (["1.e5", "+.5E-1", "0"], [1e5, 0.05, 0.0]),
    "zeros": (["001", "", "NA"], ["001", None, "NA"]),
    "whole numbers": (["1", "-2", ""], [1, -2, None]),
    "an id beside a gap": (["1237648720693755918", "", "1"], [1237648720693755918, None, 1]),
    "an exponent of a number": (["1.5", "1e-05", "nan"], [1.5, 1e-05, None]),
    "Python's booleans": (["True", "False", ""], [True, False, None]),
    "beyond 64 bits": (["99999999999999999999", "1", "2"], ["99999999999999999999", "1", "2"]),
    "ids as fractions": (
        ["1237648720693755918.0", "2.0", ""],
        ["1237648720693755918.0", "2.0", None],
    ),
    "names like numbers": (["1e5", "2a7", ""], ["1e5", "2a7", None]),
    "names like exponents": (["1e5", "2e7", ""], ["1e5", "2e7", None]),
    "digits": (["0.12345678901234567890", "", "1"], ["0.12345678901234567890", None, "1"]),
}


def test_words_for_missing_numbers_are_null_in_columns_of_numbers(tmp_path):
    cells = pd.DataFrame({name: cells for name, (cells, _) in CELLS.items()})
    cells.to_csv(tmp_path / "a.csv", index=False)
    read = read_columns(tmp_path / "a.csv", [*CELLS]).to_pydict()
    assert repr(read) == repr({name: values for name, (_, values) in CELLS.items()})


def test_numbers_that_pandas_writes_are_read_exactly(tmp_path):
    """Declinations near the equator have zeros before their digits, small numbers an exponent."""
    rng = np.random.default_rng(0)
    numbers = rng.uniform(-10, 10, 400) * 10.0 ** -rng.integers(0, 300, 400)
    table = pd.DataFrame({"dec": numbers.clip(-0.1, 0.1), "flux": numbers})
    table.to_csv(tmp_path / "a.csv", index=False)
    read = read_columns(tmp_path / "a.csv", ["dec", "flux"])
    assert read.to_pydict() == table.to_dict("list")


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_nan_and_null_of_a_parquet_column_are_null(tmp_path, kind):
    values = np.array([np.nan, 0.5, np.inf, 2], kind.to_pandas_dtype())
    column = pa.array(values, kind, mask=np.array([False, False, False, True]))
    parquet.write_table(pa.table({"x": column}), tmp_path / "a.parquet")
    read = read_columns(tmp_path / "a.parquet", ["x"])
    assert read["x"].to_pylist() == [None, 0.5, np.inf, None]
    assert read["x"].type == kind


def test_a_column_of_lists_with_a_gap_is_exact(tmp_path):
    column = pa.array([[1.0], None])
    parquet.write_table(pa.table({"x": column}), tmp_path / "a.parquet")
    read = read_columns(tmp_path / "a.parquet", ["x"])["x"]
    assert (read.type, read.to_pylist()) == (column.type, column.to_pylist())


def test_a_column_without_values_in_one_list_has_the_type_of_the_others(tmp_path):
    images = []
    for name, cells in {"a": ",,", "b": "7,x,True", "c": ",,"}.items():
        (tmp_path / f"{name}.csv").write_text(f"id,path,plate,name,good\n{name},1.jpg,{cells}\n")
        images.append(tmp_path / f"{name}.csv")
    names = ("plate", "name", "good")
    job = keeping(make_job(tmp_path / "votes", *images), *names)
    kept = kept_rows(job)
    assert kept.schema.types == [pa.int64(), pa.string(), pa.bool_()]
    assert kept.to_pylist()[1] == {"plate": 7, "name": "x", "good": True}
    job = keeping(make_job(tmp_path / "votes", images[0], images[2]), *names)
    assert kept_rows(job).schema.types == [pa.float64()] * 3


def ask_pandas(part: Path) -> tuple[list[list[str]], list[float]]:
    rows = pd.read_parquet(part)
    chosen = [rows["mag"] <= 19, rows["mag"] > 17, rows["mag"].isna()]
    return [rows[mask]["id"].tolist() for mask in chosen], [rows["mag"].mean(), rows["n"].mean()]


def ask_pyarrow(part: Path) -> tuple[list[list[str]], list[float]]:
    chosen = [pc.field("mag") <= 19, pc.field("mag") > 17, pc.field("mag").is_null()]
    ids = [parquet.read_table(part, filters=query)["id"].to_pylist() for query in chosen]
    return ids, [pc.mean(parquet.read_table(part)[name]).as_py() for name in ("mag", "n")]


def ask_duckdb(part: Path) -> tuple[list[list[str]], list[float]]:
    rows = pytest.importorskip("duckdb").read_parquet(str(part))
    ids = []
    for condition in ("mag <= 19", "mag > 17", "mag is null"):
        ids.append([name for (name,) in rows.filter(condition).project("id").fetchall()])
    return ids, [*rows.aggregate("avg(mag), avg(n)").fetchall()[0]]


def ask_polars(part: Path) -> tuple[list[list[str]], list[float]]:
    polars = pytest.importorskip("polars")
    mag = polars.col("mag")
    rows = polars.scan_parquet(part)
    chosen = [mag <= 19, mag > 17, mag.is_null()]
    ids = [rows.filter(query).collect()["id"].to_list() for query in chosen]
    return ids, [rows.collect()[name].mean() for name in ("mag", "n")]


@pytest.mark.parametrize("ask", [ask_pandas, ask_pyarrow, ask_duckdb, ask_polars])
def test_every_library_leaves_missing_numbers_out(tmp_path, ask):
    """With NaN, duckdb 2.0.1 found all rows below 19, none missing, and no mean."""
    (tmp_path / "1.png").write_bytes(PICTURES[0])
    cells = ["a,1.png,17.5,1", "b,1.png,,", "c,1.png,NaN,3", "d,1.png,18.25,5", "e,1.png,20,9"]
    (tmp_path / "list.csv").write_text("\n".join(["id,path,mag,n", *cells, ""]))
    job = keeping(make_job(tmp_path / "votes", tmp_path / "list.csv", size=9), "mag", "n")
    job.run()
    ids, means = ask(job.part_path(job.images.parts[0]))
    assert ids == [["a", "d"], ["a", "d", "e"], ["b", "c"]]
    assert means == [pytest.approx((17.5 + 18.25 + 20) / 3), 4.5]


COLUMN = "elliptical"
CUT = np.float32(0.7)  # 0.699999988: parts hold float32


def cut_by_pandas(parts: Path) -> tuple[list[str], list[str], str]:
    rows = pd.read_parquet(parts)
    above = pd.read_parquet(parts, filters=[(COLUMN, ">=", CUT)])
    return rows["id"].tolist(), above["id"].tolist(), str(rows["n"].convert_dtypes().dtype).lower()


def cut_by_pyarrow(parts: Path) -> tuple[list[str], list[str], str]:
    rows = parquet.read_table(parts)
    above = rows.filter(pc.field(COLUMN) >= pa.scalar(CUT))
    return rows["id"].to_pylist(), above["id"].to_pylist(), str(rows["n"].type)


def cut_by_duckdb(parts: Path) -> tuple[list[str], list[str], str]:
    rows = pytest.importorskip("duckdb").read_parquet(f"{parts}/*.parquet")
    ids = [name for (name,) in rows.project("id").fetchall()]
    above = rows.filter(f"{COLUMN} >= 0.7::FLOAT").project("id").fetchall()
    kind = rows.types[rows.columns.index("n")]
    return ids, [name for (name,) in above], str(kind).lower().replace("bigint", "int64")


def cut_by_polars(parts: Path) -> tuple[list[str], list[str], str]:
    polars = pytest.importorskip("polars")
    rows = polars.scan_parquet(f"{parts}/*.parquet")
    above = rows.filter(polars.col(COLUMN) >= polars.lit(CUT)).collect()
    kind = rows.collect_schema()["n"]
    return rows.collect()["id"].to_list(), above["id"].to_list(), str(kind).lower()


def cut_by_dask(parts: Path) -> tuple[list[str], list[str], str]:
    dask = pytest.importorskip("dask.dataframe")
    rows = dask.read_parquet(parts)
    above = rows[rows[COLUMN] >= CUT].compute()
    kind = rows["n"].compute().convert_dtypes().dtype
    return rows["id"].compute().tolist(), above["id"].tolist(), str(kind).lower()


READERS = [cut_by_pandas, cut_by_pyarrow, cut_by_duckdb, cut_by_polars, cut_by_dask]


class Seven(Brightness):
    """Predicts 0.7 and 0.3 for every image."""

    def predict(self, decode):
        return super().predict(decode) * 0 + [0.7, 0.3]


@pytest.fixture(scope="module")
def twelve_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of an image each; the first lacks the kept whole number."""
    folder = tmp_path_factory.mktemp("twelve")
    (folder / "1.png").write_bytes(PICTURES[0])
    lines = ["id,path,n", "g00,1.png,", *(f"g{n:02},1.png,{n}" for n in range(1, 12))]
    (folder / "list.csv").write_text("\n".join([*lines, ""]))
    images = folder / "list.csv"
    keeping(make_job(folder / "votes", images, size=1, predictor=Seven), "n").run()
    return folder / "votes" / "parts"


@pytest.mark.parametrize("cut", READERS)
def test_every_library_reads_all_parts_in_order_and_cuts_them_alike(twelve_parts, cut):
    """dask 2026.8.0 orders files by number, others by name; duckdb 2.0.1 has the first's types."""
    ids, above, kind = cut(twelve_parts)
    assert ids == [f"g{n:02}" for n in range(12)]
    assert above == ids
    assert kind == "int64"


def test_a_job_begun_with_nan_for_missing_values_does_not_go_on(tmp_path, monkeypatch):
    """As earlier versions wrote them: its parts would differ in their types."""
    path = make_list(tmp_path)
    job = keeping(make_job(tmp_path / "votes", path), "redshift")
    kept = kept_rows(job)
    place = kept.column_names.index("redshift")
    numbers = pa.array(kept["redshift"].to_numpy())  # NaN, not null
    with_nan = kept.set_column(place, "redshift", numbers)
    assert numbers.null_count == 0 < kept["redshift"].null_count
    begun = keeping(make_job(tmp_path / "votes", path), "redshift")
    monkeypatch.setattr(begun.images.kept[path], "_held", {0: with_nan})
    begun.begin()
    message = one_line_refusal(job.run)
    assert "job.json has other images or columns: choose a new folder" in message


@pytest.mark.pinned
def test_a_job_begun_by_an_earlier_version_without_missing_values_goes_on(job):
    """The digests are that version's."""
    assert job.images.digest == "7df06d062b3b8aaa"
    assert keeping(job, "ra", "plate", "dec").images.digest == "283e9f2970502a7f"
