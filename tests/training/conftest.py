"""Fixtures of datasets that several tests of trainings share."""

from support.fold_data_fixtures import voted

__all__ = ["voted"]
