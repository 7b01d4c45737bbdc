"""Features beside the way to a submission, a folder each, which may be deleted (core/extras.py)."""
