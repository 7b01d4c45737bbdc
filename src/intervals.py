"""Start the command `intervals` with the project's Python."""

from galaxyzoo.core.launch import start

start("intervals")
