"""Prediction, and the files of a fold.

In: trained networks and images. Out: test-time averaged predictions, out-of-fold tables, score
cards, submissions, catalogues of parts.
"""
