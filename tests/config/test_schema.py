"""Settings that contradict each other or go together, and defaults by the kind of the task."""

from typing import Any

import pytest

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import parse_config
from galaxyzoo.core.errors import InputError
from support.refusals import one_line_refusal

CLASSES = "task: zoo5\nmodel: {name: cnn}\n"
VOTES = "task: gz37\nmodel: {name: cnn}\n"
RULE = "head: {output: rule}"
SMOOTH_MSE = "loss: mse\ntrain: {label_smoothing: 0.1}"
BALANCE = "head.output=rule needs train.class_balance=none"

CONTRADICTIONS = {
    "softmax of votes": (VOTES, "head: {output: softmax}", "'softmax' is invalid for gz37"),
    "a tree of classes": (CLASSES, "head: {output: tree}", "'tree' is invalid for zoo5"),
    "cross-entropy of votes": (VOTES, "loss: cross_entropy", "loss 'cross_entropy' is invalid"),
    "divergence of classes": (CLASSES, "loss: kl", "loss 'kl' is invalid for zoo5"),
    "no tree": (VOTES, "loss: kl\nhead: {output: sigmoid}", "head.output=sigmoid, use loss=mse"),
    "no rule": (CLASSES.replace("zoo5", "galaxy10"), RULE, "task 'galaxy10' has no label rule"),
    "balance without a bias": (CLASSES, f"{RULE}\ntrain: {{class_balance: sampling}}", BALANCE),
    "smoothing without a use": (CLASSES, SMOOTH_MSE, "label_smoothing needs a cross-entropy"),
    "no epochs": (CLASSES, "train: {epochs: 0}", "train.epochs=0 needs head.output=rule"),
    "no epochs of a first stage": (
        CLASSES,
        f"{RULE}\nmodel: {{name: d4cnn, weights_file: bundled}}\ntrain: {{epochs: 0}}",
        "train.epochs=0 needs head.output=rule after a stage",
    ),
}
LINEAR = "head: {hidden: [], input_dropout: %s}\ntrain: {optimizer: linear, freeze: backbone%s}\n"
CONTRADICTIONS |= {
    f"linear and {named}": (CLASSES, text, f"train.optimizer=linear ignores: {named}")
    for named, text in {
        "head.input_dropout": LINEAR % (0.2, ""),
        "augment": LINEAR % (0, "") + "augment: {zoom: 1.5}",
        "train.label_smoothing": LINEAR % (0, ", label_smoothing: 0.1"),
    }.items()
}


@pytest.mark.parametrize(("base", "text", "named"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_one_line_that_names_file_and_key(configs, base, text, named):
    (configs / "gz37" / "mine.yaml").write_text(base + text)
    message = one_line_refusal(load_config, "gz37/mine")
    assert message.startswith(str(configs))
    assert named in message


def test_defaults_follow_from_the_tasks_kind(configs):
    path = configs / "gz37" / "mine.yaml"
    path.write_text(CLASSES + "head: {hidden: 8}\n")
    classes = load_config("gz37/mine")
    assert (classes.head.output, classes.loss) == ("softmax", "cross_entropy")
    assert classes.head.hidden == 8
    assert classes.run == "zoo5/mine"
    path.write_text(VOTES)
    votes = load_config("gz37/mine")
    assert (votes.head.output, votes.loss) == ("tree", "mse")
    path.write_text(CLASSES + "head: 3\n")
    with pytest.raises(InputError, match="key 'head'"):
        load_config("gz37/mine")


def test_each_config_keeps_the_classes_that_it_was_made_for():
    saved = {"task": "mine", "model": {"name": "cnn"}}
    definitions = [(("a", "b"), True), (("b", "a"), True), (("a", "b"), False)]
    configs = []
    for columns, balanced in definitions:
        labels = {"columns": list(columns), "balanced": balanced}
        configs.append(parse_config({**saved, "labels": labels}, "a run"))
    tasks: list[Any] = [config.predicted_task for config in configs]
    assert [(task.columns, task.balanced) for task in tasks] == definitions
    assert {(config.head.output, config.loss) for config in configs} == {
        ("softmax", "cross_entropy")
    }
    with pytest.raises(InputError, match="a run: unknown task 'mine': choose from gz37, "):
        parse_config(saved, "a run")
