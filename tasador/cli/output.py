"""Output that needs no Rich: JSON for scripts, and amounts."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any


def as_json(value: Any) -> str:
    """JSON of dataclasses, times and paths, indented by two spaces."""

    def convert(item: Any) -> Any:
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        if isinstance(item, datetime):
            return item.isoformat()
        if isinstance(item, Path):
            return str(item)
        raise TypeError(f"{type(item).__name__} cannot be written as JSON")

    return json.dumps(value, default=convert, indent=2)


def print_json(value: Any) -> None:
    """Write a value to stdout as JSON, and nothing else."""
    sys.stdout.write(as_json(value) + os.linesep)


def dollars(value: float) -> str:
    """1234567.8 -> $1,234,568."""
    return f"${value:,.0f}" if value >= 0 else f"-${-value:,.0f}"
