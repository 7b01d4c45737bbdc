"""Searches for settings.

In: a recipe and ranges of its settings. Out: scores of trials on the same fold.
"""
