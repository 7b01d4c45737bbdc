"""Start `galaxyzoo.commands.app` with the project's Python."""

from galaxyzoo.core.launch import start

start("app")
