"""Arguments in, calls out: the command line, one file a group of commands."""

from autosynth.cli.entry import main

__all__ = ["main"]
