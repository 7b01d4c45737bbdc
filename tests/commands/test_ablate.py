"""The ablation command on a tiny competition, as a user types it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.ablation_fixtures import CHANGES, write_study
from support.commands import COMPETITION, SRC, artefacts, call, complaint, environment

FEWER = [{"name": f"galaxies_{n}", "changes": [f"train.galaxies={n}"]} for n in (10, 14, 18)]

PAGE = "# Mine\n\n<!-- ablation tiny -->\n<!-- end -->\n\nand more\n"


def write_project(root: Path) -> Path:
    """A competition, a page, and the path of a study with its learning curve."""
    COMPETITION.write_zips(root / "input")
    (root / "page.md").write_text(PAGE)
    return write_study(root, learning_curve=True, changes=[*CHANGES[:2], *FEWER])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which two processes have trained a study."""
    root = tmp_path_factory.mktemp("done")
    study = write_project(root)
    result = call(root, "ablate.py", study, "--jobs", "2", "--page", root / "page.md")
    assert result.returncode == 0, result.stderr
    assert sorted(
        line.split(":")[0] for line in result.stdout.splitlines() if ": done" in line
    ) == [
        "base",
        "galaxies_10",
        "galaxies_14",
        "galaxies_18",
        "longer",
        "one_view",
    ]
    return root


@pytest.mark.slow
def test_the_page_holds_the_tables_and_all_else_that_it_held(done: Path) -> None:
    page = (done / "page.md").read_text()
    assert page.startswith("# Mine\n\n<!-- ablation tiny -->\n")
    assert page.endswith("<!-- end -->\n\nand more\n")
    assert page.count("not run") == 0
    assert page.count("| `longer` | 2 epochs | 0.") == 1
    assert "![Learning curve](tiny.png)" in page
    assert (done / "tiny.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_the_same_command_again_trains_nothing(done: Path) -> None:
    before, page = artefacts(done), (done / "page.md").read_text()
    result = call(done, "ablate.py", done / "tiny.yaml", "--page", done / "page.md")
    assert result.returncode == 0, result.stderr
    assert ": done" not in result.stdout
    assert artefacts(done) == before
    assert (done / "page.md").read_text() == page


@pytest.mark.slow
def test_tables_of_other_folds_have_a_part_of_their_own_with_what_is_trained(
    done: Path, tmp_path: Path
) -> None:
    """What is not run stands in the table of the study's own folds alone."""
    untrained = {"name": "untrained", "changes": ["train.epochs=3"]}
    changes = [*CHANGES[:2], *FEWER, untrained]
    study = write_study(tmp_path, learning_curve=True, changes=changes)
    page = tmp_path / "page.md"
    page.write_text("<!-- ablation tiny_folds_1 -->\n<!-- end -->\n\n" + PAGE)
    for words in (["--folds", "1"], []):
        result = call(done, "ablate.py", study, *words, "--table", "--page", page)
        assert result.returncode == 0, result.stderr
    part, whole = page.read_text().split("# Mine")
    assert "folds 1 of" in part
    assert "`longer`" in part
    assert "untrained" not in part
    assert "![Learning curve](tiny_folds_1.png)" in part
    assert "folds 0, 1 of" in whole
    assert "`untrained`" in whole
    records = {path.name for path in tmp_path.glob("*.json")}
    assert records == {"ablation_tiny.json", "ablation_tiny_folds_1.json"}


def processes(root: Path) -> list[Path]:
    """Those that work on the project in that folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"GALAXYZOO_ROOT={root}\0".encode() in (folder / "environ").read_bytes():
                found.append(folder)
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads Linux's /proc")
def test_workers_end_with_a_killed_command_and_the_next_one_goes_on(
    done: Path, tmp_path: Path
) -> None:
    study = write_project(tmp_path)
    command = [sys.executable, str(SRC / "ablate.py"), str(study), "--jobs", "2"]
    with subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path) as parent:
        while not list(tmp_path.glob("folds/*/gz37/*/fold_0/timings.csv")):
            assert parent.poll() is None
            time.sleep(0.05)
        assert len(processes(tmp_path)) >= 3
        parent.send_signal(signal.SIGKILL)
    while processes(tmp_path):  # for ever, were they to wait for their parent
        time.sleep(0.05)
    result = call(tmp_path, "ablate.py", study)
    assert result.returncode == 0, result.stderr
    ours, theirs = artefacts(tmp_path), artefacts(done)
    assert ours.keys() == theirs.keys()
    assert ours == theirs


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["gz73"], "no ablation study 'gz73'"),
        (["gz37", "--only-changes", "crop_161"], "has no change 'crop_161': it has base, crop_160"),
        (["gz37", "--page", "none.md"], "none.md is missing: write the lines `<!-- ablation gz37"),
    ],
)
def test_a_mistake_is_said_before_anything_starts(
    tmp_path: Path, words: list[str], named: str
) -> None:
    assert named in complaint(call(tmp_path, "ablate.py", *words))
    assert not list(tmp_path.glob("folds/*/"))
