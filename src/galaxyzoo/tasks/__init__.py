"""Tasks and their metrics: the decision tree, and classes out of votes.

In: nothing but arrays. Out: `Task` objects, projections, scores. No files, no torch.
"""
