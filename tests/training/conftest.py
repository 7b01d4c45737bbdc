"""Fixtures of datasets that several tests of trainings share."""

from support.fold_data_fixtures import voted
from support.pretraining_fixtures import data

__all__ = ["data", "voted"]
