"""The command line: its commands, and what becomes of errors."""

from __future__ import annotations

import sys

import typer

from .commands import comparing, data, results, training
from .errors import MyowError
from .stopping import stopping

__all__ = ["app", "main"]

app = typer.Typer(
    name="myow",
    help="Learn representations of neural activity without labels, and measure what they are worth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    results.demo,
    data.datasets,
    data.inspect,
    training.train,
    training.adapt,
    results.embed,
    results.export,
    results.card,
    results.evaluate,
    comparing.bench,
):
    app.command()(command)


def main() -> None:
    """Run the command line; an error that was raised on purpose becomes one line and exit code 1."""
    with stopping() as stop:
        try:
            _run()
        except SystemExit as end:
            sys.exit(stop.code or end.code)


def _run() -> None:
    try:
        app()
    except MyowError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:  # the machine's fault, such as a path that is too long
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
