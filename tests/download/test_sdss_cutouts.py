"""Images from the sky survey's server: whole ones are kept, and a manifest says the rest."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.download.sdss import Cutout, DownloadPolicy, download_cutouts
from galaxyzoo.io.archives import ImageStore
from support import cutout_server as answers
from support.cutout_server import CutoutServer, serving

QUICK = DownloadPolicy(rate=1000, tries=2, first_pause_s=0.01)

FIRST = 587722982291472386

IDS = [FIRST + i for i in range(6)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, root: Path) -> Iterator[CutoutServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "input" / "gz2" / "sky"


def positions(ids: list[int] = IDS) -> pd.DataFrame:
    ra = [10.0 + (galaxy - FIRST) for galaxy in ids]
    return pd.DataFrame({"ra": ra, "dec": -0.5}, index=pd.Index(ids, name="GalaxyID"))


def ra_of(galaxy: int) -> float:
    return 10.0 + (galaxy - FIRST)


def download(server: CutoutServer, folder: Path, ids: list[int] = IDS) -> pd.Series:
    cutout = Cutout(0.2, 64, f"{server.base}/cut")
    return download_cutouts(positions(ids), folder, cutout, QUICK)


def manifest(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "manifest.csv", index_col="GalaxyID", keep_default_na=False)


def test_each_galaxy_gets_the_image_of_its_place_and_a_row(server, folder):
    statuses = download(server, folder, IDS[::-1])
    assert statuses.to_dict() == dict.fromkeys(IDS, "ok")
    assert statuses.index.tolist() == IDS[::-1]
    store = ImageStore.open(folder)
    assert store.ids.tolist() == IDS
    rows = manifest(folder)
    assert rows.index.tolist() == IDS
    for galaxy in IDS:
        data = store.read(galaxy)
        assert data == server.picture(ra_of(galaxy))
        row = rows.loc[galaxy]
        assert (row["ra"], row["dec"], row["status"]) == (ra_of(galaxy), -0.5, "ok")
        assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert row["url"] == (
            f"{server.base}/cut?ra={ra_of(galaxy):.6f}&dec=-0.500000&scale=0.2&width=64&height=64"
        )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (answers.status(404), "HTTP 404"),
        (answers.status(500), "HTTP 500"),
        (answers.cut_off, "cut off after "),
        (answers.cut_off_unseen, "it is cut off (no end of image)"),
        (answers.words, "it is neither JPEG nor PNG"),
        (answers.of_size(48), "its size is 48 × 48 px, not 64"),
        (answers.blank, "it shows nothing"),
    ],
)
def test_a_failure_is_in_the_manifest_and_leaves_no_file(server, folder, bad, reason):
    server.plans[ra_of(IDS[2])] = [bad] * 2
    statuses = download(server, folder, IDS[:4])
    assert reason in statuses[IDS[2]]
    assert (statuses.drop(IDS[2]) == "ok").all()
    row = manifest(folder).loc[IDS[2]]
    assert (row["bytes"], row["sha256"], row["status"]) == (0, "", statuses[IDS[2]])
    assert sorted(p.stem for p in folder.glob("*.jpg")) == [str(IDS[i]) for i in (0, 1, 3)]
    assert list(folder.glob(".*")) == []


def test_the_same_again_asks_only_for_what_failed_or_is_not_whole(server, folder):
    server.plans[ra_of(IDS[0])] = [answers.status(404)]
    download(server, folder, IDS[:5])
    cut = folder / f"{IDS[1]}.jpg"
    cut.write_bytes(cut.read_bytes()[:500])
    other_size = folder / f"{IDS[2]}.jpg"
    other_size.write_bytes(server.picture(1.0, 48))
    server.asked.clear()
    statuses = download(server, folder, IDS[:4])
    assert (statuses == "ok").all()
    assert dict(server.asked) == {ra_of(galaxy): 1 for galaxy in IDS[:3]}
    assert cut.read_bytes() == server.picture(ra_of(IDS[1]))
    assert manifest(folder).index.tolist() == IDS[:5]  # those of other runs stay
    assert (manifest(folder)["status"] == "ok").all()


def test_a_server_that_is_down_is_asked_no_further_and_what_there_is_stays(server, folder):
    download(server, folder, IDS)
    server.always = answers.status(503)
    more = [FIRST + i for i in range(200)]
    with pytest.raises(InputError, match=r"gives no image, of 20 galaxies in a row \(last: HTTP 5"):
        download(server, folder, more)
    assert len(server.asked) < 60
    rows = manifest(folder)
    assert (rows.loc[IDS, "status"] == "ok").all()
    assert 20 <= len(rows) < 60
    server.always = None
    assert (download(server, folder, more[:40]) == "ok").all()


def test_refusals_do_not_count_as_a_server_that_is_down(server, folder):
    server.always = answers.status(404)
    ids = [FIRST + i for i in range(30)]
    assert (download(server, folder, ids) == "HTTP 404").all()


def test_a_full_disk_stops_it_in_one_line(server, folder, monkeypatch):
    def refuse(path: Path, data: bytes) -> None:
        raise InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("galaxyzoo.download.sdss.files.write_bytes", refuse)
    with pytest.raises(InputError, match="No space left"):
        download(server, folder)


def test_images_of_another_scale_have_another_folder():
    names = {Cutout(s, n).folder_name() for s in (0.1, 0.2) for n in (64, 128)}
    assert names >= {"sdss_64px_0.1arcsec", "sdss_128px_0.2arcsec"}
    assert len(names) == 4


def test_a_manifest_of_something_else_is_refused_before_anything_is_asked(server, folder):
    folder.mkdir(parents=True)
    (folder / "manifest.csv").write_text("GalaxyID,class\n1,a\n")
    with pytest.raises(InputError, match=r"manifest\.csv has no column 'ra': delete it"):
        download(server, folder)
    assert not server.asked


def test_the_address_is_checked_first(folder):
    with pytest.raises(InputError, match="begins with http://"):
        download_cutouts(positions(), folder, Cutout(0.2, 64, "file:///tmp/x"), QUICK)
