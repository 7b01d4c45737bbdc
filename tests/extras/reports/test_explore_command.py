"""`src/explore.py`: the page of a dataset with votes, and of one with a label file."""

import base64
import re

import cv2
import numpy as np
import pandas as pd

from support.commands import call, complaint, succeed
from support.datasets import ZOO5, draw_competition, write_labeled
from support.report_pages import read_sky_links


def test_a_page_of_votes_and_classes(tmp_path):
    draw_competition(n_train=24, n_test=4).write_zips(tmp_path / "input")
    assert "Warning" not in succeed(tmp_path, "explore.py").stderr
    folder = next((tmp_path / "reports").glob("*/explore"))
    html = (folder / "index.html").read_text(encoding="utf-8")
    for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html):
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), -1)
        assert picture is not None
        assert picture.std() > 3
    tasks = {"elliptical_spiral", "hubble10", "anomaly4", "zoo5"}
    assert set(re.findall(r"<h3>(\w+): random galaxies of each class", html)) == tasks
    assert "<svg" in html
    assert "for 5 folds, so the task" in html  # of 24 galaxies, ten classes cannot have five each
    counts = pd.read_csv(folder / "classes.csv")
    assert set(counts["task"]) == tasks
    assert (counts.groupby("task")[["kept", "dropped"]].sum().sum(axis=1) == 24).all()
    assert html.index(">Votes</h2>") < html.index(">Classes of each task</h2>")


def test_a_page_of_a_label_file_and_one_task(tmp_path):
    labels = write_labeled(tmp_path / "input" / "five", n=25) / "train_labels.csv"
    table = pd.read_csv(labels)
    table = table[table["class"] != ZOO5[3]]
    table = table.assign(ra=2.5 * table["GalaxyID"], dec=-table["GalaxyID"])
    table.to_csv(labels, index=False)
    result = succeed(tmp_path, "explore.py", "--data", "five", "--output", "page")
    assert "--plan zoo5 stages=null --data five" in result.stdout
    files = {path.name for path in (tmp_path / "page").iterdir()}
    assert files == {"index.html", "classes.csv"}
    page = (tmp_path / "page/index.html").read_text()
    assert "zoo5: random galaxies" in page
    places = read_sky_links(page)
    assert places == {galaxy: (2.5 * int(galaxy), -int(galaxy)) for galaxy in places}
    assert len(places) == page.count('alt="galaxy ') > 0
    assert pd.read_csv(tmp_path / "page" / "classes.csv")["kept"].tolist() == [5, 5, 5, 0, 5]
    for task in ("hubble10", "gz37"):
        refused = call(tmp_path, "explore.py", "--data", "five", "--task", task)
        assert complaint(refused).startswith("error: dataset 'five' has no labels for task")
