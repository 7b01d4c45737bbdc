"""The model card: its front matter, and names that must stay text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from markdown_it import MarkdownIt

from galaxyzoo.data.catalog import GROUP, Catalog
from galaxyzoo.extras.export.model_card import write_card
from galaxyzoo.io.tables import FOLD
from galaxyzoo.models.build import build_model
from galaxyzoo.results.card import RunCard
from galaxyzoo.tasks.registry import get_task
from support.small_models import small_config
from support.trained import run_card

HOSTILE = (
    "<script>alert(1)</script> | [here](http://a.b) ![x](y) <img src=x> `code` *bold* www.a.b "
    "http://a.b &lt;b&gt; \\\n\n# Heading\n\n| a | b |\n"
)


def card_of(task: str, **changes: Any) -> RunCard:
    """Score card of a run of two folds out of five."""
    scores: dict[str, Any] = {"metric": "log-loss", "score": 0.25, "mean": 0.25, "sd": 0.01}
    scores |= {"per_fold": {"0": 0.24, "1": 0.26}, "n_folds": 5, "galaxies": 1234}
    catalog = Catalog("d", pd.DataFrame({FOLD: [0], GROUP: [0]}), np.array([2]))
    values = run_card(catalog, f"{task}/cnn", code_version="1", **scores | changes)
    return RunCard.parse(values, "a test")


def card(tmp_path: Path, name: str, **changes: Any) -> str:
    """A card in which the run, dataset, description and a class have this name."""
    config = small_config(
        task="elliptical_spiral", loss="cross_entropy", head={"output": "softmax"}
    )
    task = replace(get_task("elliptical_spiral"), columns=(name, "spiral"))
    scores = card_of(task.name, **{"dataset": name, "start": name, "folds": [0, 1], **changes})
    named = config.model_copy(update={"run": name, "about": name})
    path = tmp_path / "card.md"
    write_card(path, named, task, scores, 1e-6)
    return path.read_text()


def test_scores_are_a_table_and_limits_follow_the_score_card(tmp_path):
    text = card(tmp_path, "mine")
    assert "# mine, trained on mine\n" in text
    assert "each of 1,234 galaxies" in text
    rows = ["0 | 0.24000", "1 | 0.26000", "all galaxies | 0.25000"]
    rows.append("mean over folds | 0.25000 ± 0.01000 (standard deviation)")
    assert "\n".join(f"| {row} |" for row in rows) in text
    assert "- Not all folds are trained" in text
    assert "optimistic" not in text
    marked = card(tmp_path, "mine", selected_on_validation=True, possible_leakage=True)
    assert "- The scores are optimistic" in marked
    assert "- The initial weights may have been trained on galaxies of mine." in marked
    assert "Training diverged in fold(s) 1, 3." in card(tmp_path, "mine", diverged=[1, 3])
    assert "Not all folds" not in card(tmp_path, "mine", folds=[0, 1, 2, 3, 4])
    assert "Together, the averaged networks were trained on all galaxies of mine" in text
    one = card(tmp_path, "mine", folds=[0])
    assert "Together" not in one
    assert "on all galaxies of mine but those of its fold" in one
    assert "simulated" not in text
    for demo in ("demo", "demo-full"):
        assert "Trained on simulated galaxies" in card(tmp_path, demo)


def test_the_score_that_the_hub_shows_is_of_all_galaxies(tmp_path):
    front_matter = card(tmp_path, "mine", score=0.25, mean=0.3).split("---\n")[1]
    (metric,) = yaml.safe_load(front_matter)["model-index"][0]["results"][0]["metrics"]
    assert metric["value"] == 0.25


def test_a_hostile_name_starts_no_html_link_or_cell(tmp_path):
    text = card(tmp_path, HOSTILE)
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["model-index"][0]["results"][0]["dataset"]["name"] == HOSTILE
    plain = card(tmp_path, "plain").split("---\n", 2)[2]
    parser = MarkdownIt("commonmark").enable("table")
    shown = parser.render(body)
    expected = parser.render(plain)
    tags = ["script", "img", "a ", "h1", "h2", "td", "th", "tr", "table", "strong", "em", "code"]
    counts = {tag: shown.count(f"<{tag}") for tag in tags}
    assert counts == {tag: expected.count(f"<{tag}") for tag in tags}
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | [here]" in shown  # as it was written
    assert "&amp;lt;b&amp;gt; \\ # Heading | a | b |" in shown
    for address in ("http://", "www."):  # GitHub links these by themselves
        assert address not in body.replace("\\:", "").replace("\\.", "")


def test_the_network_is_described_by_itself(tmp_path):
    config = small_config().model_copy(update={"about": "another network"})
    scores = card_of(config.task, start="scratch", fingerprint="f00")
    write_card(tmp_path / "card.md", config, get_task(config.task), scores, None)
    text = (tmp_path / "card.md").read_text()
    size = sum(p.numel() for p in build_model(config, initialize=False).parameters())
    assert f"\nCNN with {size:,} parameters" in text
    assert "another network" not in text
