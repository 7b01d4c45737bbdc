"""Start the command `survey` with the project's Python."""

from galaxyzoo.core.launch import start

start("survey")
