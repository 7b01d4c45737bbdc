"""Start the command `evaluate` with the project's Python."""

from galaxyzoo.core.launch import start

start("evaluate")
