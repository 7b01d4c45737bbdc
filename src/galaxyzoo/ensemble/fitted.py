"""A fitted ensemble on disk, to be applied to other galaxies.

Its score card names the members and how they were combined; one safetensors file beside it holds
the fitted weights, and LightGBM's trees in their text form. Reading them runs no code. The card has
digests of that file and of the members' networks, so that nothing else is ever applied.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from galaxyzoo.core import files, launch
from galaxyzoo.core.errors import DamageError, InputError, advise
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import load_catalog, load_task
from galaxyzoo.ensemble import blends, selection, stackers
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.results.layout import EnsembleFolder, digest_networks
from galaxyzoo.results.table import digest_table

if TYPE_CHECKING:
    from lightgbm import Booster

# Dataclasses that can be saved: candidates, their members, and those that extras register.
_KINDS: dict[str, type] = {}


def register(*kinds: type) -> None:
    """Let dataclasses of arrays, numbers, boosters and each other be kept."""
    for kind in kinds:
        _KINDS[kind.__name__] = kind


for _candidates in (selection.CANDIDATES, selection.CLASS_CANDIDATES):
    for _candidate in _candidates.values():
        register(_candidate.model)
register(blends.Blend, stackers.LinearStacker)


def save_fitted(path: Path, model: Any) -> str:
    """Write a fitted candidate, or what is registered, atomically; returns the file's digest."""
    arrays: dict[str, np.ndarray] = {}
    form = _pack(model, "model", arrays)
    files.write_bytes(path, save(arrays, {"model": json.dumps(form)}))
    return digest_table(path)


def load_fitted(path: Path, digest: str) -> Any:
    """Read a fitted candidate, or what is registered, from the file of that digest.

    Args:
        path: as of `save_fitted`.
        digest: as noted in the score card.
    Raises:
        DamageError: the file is missing, another one, or of another version.
    """
    if not path.is_file() or digest_table(path) != digest:
        raise DamageError(f"{shown(path)} is missing or does not match its score card")
    try:
        with safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            form = json.loads(file.metadata()["model"])
        return _unpack(form, arrays)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamageError(f"{shown(path)} was made by another version ({error})") from None


def _pack(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """A plain form of a fitted candidate or a part of one; its arrays go into `arrays`.

    A value that is neither plain nor registered is an error.
    """
    if isinstance(value, int | float | str | None):
        return value
    if isinstance(value, np.ndarray):
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if hasattr(value, "model_to_string"):  # one of LightGBM's boosters
        text = value.model_to_string().encode()
        arrays[name] = np.frombuffer(text, np.uint8)
        return {"trees": name}
    if isinstance(value, tuple):
        return [_pack(element, f"{name}.{i}", arrays) for i, element in enumerate(value)]
    if type(value) not in _KINDS.values():
        raise InputError(
            f"{type(value).__name__} cannot be saved: a candidate must return the dataclass "
            "named in its entry in ensemble/selection.py, made of arrays, numbers and boosters"
        )
    fields = {}
    for field in dataclasses.fields(value):
        element = getattr(value, field.name)
        fields[field.name] = _pack(element, f"{name}.{field.name}", arrays)
    return {"kind": type(value).__name__, "fields": fields}


def _unpack(form: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Undo `_pack`; a form that it does not write is a KeyError, TypeError or ValueError."""
    if isinstance(form, list):
        return tuple(_unpack(element, arrays) for element in form)
    match form:
        case int() | float() | str() | None:
            return form
        case {"array": name}:
            return arrays[name]
        case {"trees": name}:
            return _read_trees(arrays[name].tobytes().decode())
        case {"kind": kind, "fields": fields}:
            values = {name: _unpack(packed, arrays) for name, packed in fields.items()}
            return _KINDS[kind](**values)
    raise ValueError(f"unknown part {str(form)[:40]}")


def _read_trees(text: str) -> "Booster":
    import lightgbm as lgb  # here: it brings scikit-learn, over a second of imports

    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as error:
        raise ValueError(str(error)) from None


def check_not_retrained(card: EnsembleCard) -> None:
    """Refuse an ensemble with a member that was retrained later.

    A member without networks is none: the tables of the ensemble are still of it.
    """
    for run, digest in card.members.items():
        current_digest = _digest_member(card, run)
        if current_digest is not None and current_digest != digest:
            raise _retrained(card, run)


def check_ensemble_members(card: EnsembleCard) -> None:
    """Refuse an ensemble with a member whose networks are missing or changed."""
    for run, digest in card.members.items():
        current_digest = _digest_member(card, run)
        if current_digest is None:
            raise InputError(
                f"{run}, a member of {shown(card.folder.csv)}, has no networks: choose another "
                "ensemble or, if this run has a config, type "
                f"`{launch.typed('train_folds')} {launch.quote(run)}`"
            )
        if current_digest != digest:
            raise _retrained(card, run)


def _retrained(card: EnsembleCard, run: str) -> InputError:
    path = shown(card.folder.csv)
    return InputError(f"{run}, a member of {path}, was retrained later: {card.advice()}")


def has_networks(card: EnsembleCard) -> bool:
    """Check whether an ensemble can predict: no member's networks are missing or changed."""
    try:
        check_ensemble_members(card)
    except InputError:
        return False
    return True


def _digest_member(card: EnsembleCard, run: str) -> str | None:
    """Digest of a member's networks as they are now; None where one is missing."""
    return digest_networks(card.dataset, run, len(card.per_fold))


def load_ensemble(folder: EnsembleFolder) -> tuple[EnsembleCard, blends.MetaModel]:
    """Load card and fitted candidate; refuse them where they, a member or the split changed."""
    card = EnsembleCard.of(folder)
    catalog = load_catalog(folder.dataset)
    card.check(catalog.for_task(load_task(folder.task)))
    check_ensemble_members(card)
    with advise(card.advice()):
        return card, load_fitted(folder.fitted, card.fitted)
