"""Export a run into one folder for use elsewhere: weights, ONNX, model card, packed tables.

In: a trained run. Out: `exported/`.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(
    commands={"export": "galaxyzoo.extras.export.command:main"},
    packages=("onnx", "onnxruntime", "onnxscript"),
)
