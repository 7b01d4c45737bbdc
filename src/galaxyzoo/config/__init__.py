"""Typed run configs: their fields, their YAML files, and overrides from the command line.

In: `configs/`, `key=value`. Out: a checked `Config`.
"""
