"""Fixtures of studies that have been trained."""

from support.ablation_fixtures import scored

__all__ = ["scored"]
