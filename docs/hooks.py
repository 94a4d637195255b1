"""mkdocs calls this: every decision record becomes a page of the navigation."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    records = sorted((Path(config["docs_dir"]) / "decisions").glob("[0-9]*.md"))
    for entry in config["nav"]:
        if "Decisions" in entry:
            entry["Decisions"] += [f"decisions/{record.name}" for record in records]
    return config
