"""Start the command `tune` with the project's Python."""

from galaxyzoo.core.launch import start

start("tune")
