"""Start the command `export` with the project's Python."""

from galaxyzoo.core.launch import start

start("export")
