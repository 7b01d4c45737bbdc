"""Prediction with trained networks.

In: networks and images. Out: test-time averaged predictions of any images.
"""
