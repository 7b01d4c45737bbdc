"""Start the command `download_data` with the project's Python."""

from galaxyzoo.core.launch import start

start("download_data")
