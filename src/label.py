"""Start the command `label` with the project's Python."""

from galaxyzoo.core.launch import start

start("label")
