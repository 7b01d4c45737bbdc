"""Start `galaxyzoo.commands.submit` with the project's Python."""

from galaxyzoo.core.launch import start

start("submit")
