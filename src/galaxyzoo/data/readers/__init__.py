"""Readers of training data: the competition, labeled folders and tables, Galaxy Zoo 2.

In: a folder or file. Out: a `RawDataset` with ids, labels and where each encoded image is.
"""
