"""Tables and archives that are checked before they are used.

In: files of users and of this project. Out: tables keyed by galaxy ids, members of archives.
"""
