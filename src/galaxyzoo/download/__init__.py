"""Files from elsewhere: the competition from Kaggle, images from the sky survey.

In: names of files, positions on the sky. Out: whole, checked files in `input/`.
"""
