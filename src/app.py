"""Start the command `app` with the project's Python."""

from galaxyzoo.core.launch import start

start("app")
