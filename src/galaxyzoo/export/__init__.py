"""Export a run into one folder for use elsewhere: weights, ONNX, model card, packed tables.

In: a trained run. Out: `exported/`.
"""
