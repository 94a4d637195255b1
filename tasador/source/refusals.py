"""The messages with which the course's server refuses a request, and how to recognise them."""

from __future__ import annotations

import unicodedata

USED_UP = "Ya se recolectó toda la información minima necesaria"
BAD_GROUP = "Número de grupo inválido"


def without_accents(text: str) -> str:
    """The text without its accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def is_used_up(text: str) -> bool:
    """Whether an answer says that all batches are collected, whatever its accents and case."""
    plain = " ".join(without_accents(text).casefold().split())
    return "ya se recolecto toda la informacion" in plain
