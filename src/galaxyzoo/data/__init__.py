"""From input files to a prepared dataset: catalog, folds, image cache, image geometry.

In: what lies in `input/`. Out: `folds/<dataset>/` (ids, labels, fold of each galaxy), decoded
images in `input/cache/`.
"""
