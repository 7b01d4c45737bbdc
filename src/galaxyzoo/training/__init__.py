"""Training of folds: data of one fold, augmentation, the loop, runs over all folds, their cost.

In: a `Config` and a prepared dataset. Out: `folds/<dataset>/<run>/fold_<k>/`, then the tables.
"""
