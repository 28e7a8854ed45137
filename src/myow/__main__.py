"""``python -m myow`` is the command ``myow``."""

from .cli.commands import main

if __name__ == "__main__":
    main()
