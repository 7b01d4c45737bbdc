from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.reports.console import print_choice
from galaxyzoo.results.card import RunCard
from support.class_fixtures import save_class_project
from support.ensemble_fixtures import save_run


@pytest.mark.parametrize(
    ("gain", "line"),
    [
        (0.015, "use anomaly4/plain: the simplest within one standard error of anomaly4/more, "),
        (0.2, "use anomaly4/more: it has the lowest log-loss"),
        (-0.2, "use anomaly4/plain: it has the lowest log-loss"),
    ],
)
def test_the_simplest_run_within_one_standard_error_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], gain: float, line: str
) -> None:
    catalog = save_class_project()
    targets = catalog.train.iloc[:, 2:].to_numpy()
    noise = np.where(np.arange(len(targets)) % 2, 0.1, -0.1)
    for name, right in (("plain", np.full(len(targets), 0.55)), ("more", 0.55 + gain + noise)):
        others = (1 - right[:, None]) / 3  # probability of each wrong class
        probs = np.where(targets == 1, right[:, None], others)
        save_run(catalog, f"anomaly4/{name}", probs, np.full((10, 4), 0.25))
    cards = [RunCard.of("tiny", f"anomaly4/{name}") for name in ("plain", "more")]
    print_choice(cards, catalog)
    assert line in capsys.readouterr().out
    print_choice(cards[:1], catalog)
    assert not capsys.readouterr().out
