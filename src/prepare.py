"""Start the command `prepare` with the project's Python."""

from galaxyzoo.core.launch import start

start("prepare")
