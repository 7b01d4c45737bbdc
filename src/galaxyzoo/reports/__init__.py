"""HTML pages, figures and tables on the screen, made from artefacts on disk.

In: catalogs, tables, score cards. Out: `reports/`.
"""
