"""Start the command `app` with the project's Python."""

if __name__ == "__main__":  # worker processes read the script as well, under another name
    from galaxyzoo.core.launch import start

    start()
    from galaxyzoo.commands import run

    run("app")
