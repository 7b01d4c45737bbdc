"""Artifacts of runs and ensembles: their files, tables, score cards, submissions.

In: predictions of a fold's networks. Out: checked tables with a score card beside each.
"""
