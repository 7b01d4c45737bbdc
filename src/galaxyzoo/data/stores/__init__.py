"""Images of folders and zips; extras add other forms.

In: a path. Out: `Images`, a table of them that reads each.
"""
