"""Blends and stackers over the runs' tables, the cross-fitted choice among them.

In: tables of `oof/` and `submissions/`. Out: a submission and its score card. No images, no torch.
"""
