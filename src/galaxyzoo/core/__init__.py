"""Errors, paths, atomic files, start-up, devices, processes; no module is about galaxies."""
