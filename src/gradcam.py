"""Start the command `gradcam` with the project's Python."""

from galaxyzoo.core.launch import start

start("gradcam")
