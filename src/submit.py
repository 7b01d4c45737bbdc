"""Start the command `submit` with the project's Python."""

from galaxyzoo.core.launch import start

start("submit")
