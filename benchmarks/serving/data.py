"""The model, trained with the default parameters, and requests from rows of the same kind."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from tasador.listings.listing import COLUMNS, INPUTS, Listing, read_row
from tasador.listings.table import frame_of, read_csv
from tasador.source import simulator
from tasador.training import fitting, search, splits

# The packages that determine the content of a bundle.
_TRAINING_CODE = ("engine", "listings", "model", "training")


def train(csv: Path | None, rows: int, into: Path) -> tuple[Path, str]:
    """The folder of a bundle, trained unless this code already did, and what it was trained on."""
    trained_on = f"{rows:,} simulated listings" if csv is None else f"real listings ({csv.name})"
    key = hashlib.sha256(trained_on.encode())
    package = Path(fitting.__file__).parents[1]
    for path in sorted(path for part in _TRAINING_CODE for path in (package / part).glob("*.py")):
        key.update(path.read_bytes())
    folder = into / f"model-{key.hexdigest()[:12]}"
    if not (folder / "manifest.json").exists():
        for old in into.glob("model-*"):
            shutil.rmtree(old)
        frame = frame_of(_simulated(rows)) if csv is None else read_csv(csv)[0]
        result = search.SearchResult(params=dict(search.KNOWN_GOOD), value=0.0, trials=[])
        fitting.write(fitting.fit(splits.prepare(frame), result), folder)
    return folder, trained_on


def requests(csv: Path | None, count: int) -> list[bytes]:
    """``count`` listings as JSON bodies, without the fields that have no value."""
    listings = _simulated(2 * count) if csv is None else _real(csv, count)
    rows = [{name: getattr(row, name) for name in INPUTS} for row in listings[:count]]
    return [json.dumps({k: v for k, v in row.items() if v is not None}).encode() for row in rows]


def batches(lines: list[bytes]) -> dict[str, bytes]:
    """The same listings as one body, by row and by column."""
    rows = [json.loads(line) for line in lines]
    columns = {name: [row.get(name) for row in rows] for name in INPUTS}
    return {
        "by_row": b'{"listings":[' + b",".join(lines) + b"]}",
        "by_column": json.dumps({"columns": columns}).encode(),
    }


def _simulated(rows: int) -> list[Listing]:
    read = [read_row(row) for row in simulator.generate(7, "steady", 0, rows)]
    return [listing for listing, problems in read if not problems]


def _real(csv: Path, count: int) -> list[Listing]:
    frame = read_csv(csv)[0].sample(count, random_state=7)
    names = list(COLUMNS)
    values = frame[names].astype(object).where(frame[names].notna(), None)
    return [Listing(**dict(zip(names, row, strict=True))) for row in values.to_numpy().tolist()]
