"""``python -m tasador`` runs the ``tasador`` command."""

from tasador.cli.main import main

if __name__ == "__main__":
    main()
