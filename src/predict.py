"""Start the command `predict` with the project's Python."""

from galaxyzoo.core.launch import start

start("predict")
