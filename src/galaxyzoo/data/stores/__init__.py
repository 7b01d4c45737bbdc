"""Stores of images: folders and zips; extras add other forms.

In: a path. Out: an `ImageStore`, which reads its images by number.
"""
