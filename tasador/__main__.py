"""``python -m tasador`` is the ``tasador`` command."""

from tasador.cli import main

if __name__ == "__main__":
    main()
