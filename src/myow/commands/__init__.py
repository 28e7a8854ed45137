"""The commands of ``myow``, each a function whose parameters typer reads."""
