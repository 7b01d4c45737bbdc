"""Prediction, and what a fold leaves on disk.

In: trained networks and images. Out: test-time averaged predictions, out-of-fold tables, score
cards, submissions.
"""
