"""What is predicted: the decision tree, classes out of votes, tasks and their metrics.

In: nothing but arrays. Out: `Task` objects, projections, scores. No files, no torch.
"""
