"""The pinned versions in cluster/versions.

python cluster/pins.py NAME...        # prints their values
"""

import re
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parent / "versions"


def pins(file: Path = FILE) -> dict[str, str]:
    """NAME -> VALUE.

    Raises ValueError if a line is neither a comment nor NAME=VALUE, or a name appears twice.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        # What a shell reads the same way without quotes.
        match = re.fullmatch(r"([A-Z][A-Z0-9_]*)=([A-Za-z0-9._:/@?=+-]+)", line)
        if match is None:
            raise ValueError(f"{file}, line {number}: write NAME=VALUE, without spaces or quotes")
        if match[1] in found:
            raise ValueError(f"{file}, line {number}: {match[1]} appears twice")
        found[match[1]] = match[2]
    return found


def main() -> None:
    """Print the values of the named pins, one a line."""
    known = pins()
    for name in sys.argv[1:]:
        if name not in known:
            raise SystemExit(f"cluster/versions has no {name}")
        print(known[name])


if __name__ == "__main__":
    main()
