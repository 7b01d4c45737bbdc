"""Readers of training data: the competition, folders and tables of classes; extras add others.

In: a folder or file. Out: a `DatasetFiles` with ids, labels and where each encoded image is.
"""
