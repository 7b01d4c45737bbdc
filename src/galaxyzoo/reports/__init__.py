"""HTML pages, figures and tables on the screen, made from artifacts on disk.

In: catalogs, tables, score cards. Out: `reports/`.
"""
