"""Fixtures of datasets that several tests of input files share."""

from support.competition_files import competition, zips
from support.image_files import encoded

__all__ = ["competition", "encoded", "zips"]
