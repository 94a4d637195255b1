"""The names of the files of a dossier that are read again. Imports nothing."""

from __future__ import annotations

# The model card as Markdown, and as a page for a browser, which older dossiers lack.
README, PAGE = "README.md", "model-card.html"
# Lists the other files; it is written last and marks the dossier as complete.
INDEX = "dossier.json"
