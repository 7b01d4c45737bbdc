"""Start the command `explore` with the project's Python."""

from galaxyzoo.core.launch import start

start("explore")
