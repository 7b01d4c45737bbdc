"""Stores of images: folders, zips, HDF5, Parquet, lists, FITS.

In: a path. Out: an `ImageStore`, which reads its images by number.
"""
