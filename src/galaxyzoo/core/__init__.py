"""Errors, paths, atomic files, start-up, devices, processes: nothing here knows of galaxies."""
