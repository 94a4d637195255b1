"""The Rich console that commands print text to."""

from rich.console import Console

console = Console()
