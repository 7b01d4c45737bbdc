"""Prepare datasets from input files: catalog, folds, image cache, image geometry.

In: what lies in `input/`. Out: `folds/<dataset>/` (ids, labels, fold of each galaxy), decoded
images in `input/cache/`.
"""
