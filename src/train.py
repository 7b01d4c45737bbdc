"""Start the command `train` with the project's Python."""

from galaxyzoo.core.launch import start

start("train")
