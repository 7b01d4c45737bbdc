"""Searches for settings and ablation studies.

In: a base config and changes to it. Out: scores of variants on the same folds.
"""
