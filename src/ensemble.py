"""Start the command `ensemble` with the project's Python."""

from galaxyzoo.core.launch import start

start("ensemble")
