"""The built-in demo set: galaxies, their votes and their pictures, drawn from a seed.

In: a seed. Out: the files of a small competition in `input/demo/`.
"""
