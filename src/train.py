"""Start `galaxyzoo.commands.train` with the project's Python."""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

from galaxyzoo.commands.train import main

if __name__ == "__main__":
    run_main(main)
