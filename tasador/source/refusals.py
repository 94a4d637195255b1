"""The words in which the course's server refuses, and how to know them again."""

from __future__ import annotations

import unicodedata

USED_UP = "Ya se recolectó toda la información minima necesaria"
BAD_GROUP = "Número de grupo inválido"


def without_accents(words: str) -> str:
    """The same words in plain letters."""
    parts = unicodedata.normalize("NFKD", words)
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def says_used_up(words: str) -> bool:
    """Whether an answer says that all batches are collected; accents and case don't matter."""
    plain = " ".join(without_accents(words).casefold().split())
    return "ya se recolecto toda la informacion" in plain
