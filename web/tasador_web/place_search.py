"""The search for a place among those that the model has learned from.

Accents, case, abbreviations of states, "St." for "Saint" and single typos are forgiven. No Reflex.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasador.listings.states import STATE_NAMES, state_name
from tasador_web.geography import Geography
from tasador_web.nicknames import NICKNAMES

_SHORT = {"st": "saint", "ste": "sainte", "ft": "fort", "mt": "mount", "n": "north", "s": "south"}
_SHORT |= {"e": "east", "w": "west"}
SHOWN = 8


@dataclass(frozen=True)
class Place:
    """A place that a search offers; a field that does not apply is empty.

    ``listings`` is how many the model has learned from there, 0 if it has none.
    """

    state: str = ""
    city: str = ""
    zip_code: str = ""
    listings: int = 0

    @property
    def label(self) -> str:
        """The place as a person writes it: Houston, Texas 77084."""
        name = ", ".join(part for part in (self.city, self.state) if part)
        return " ".join(part for part in (name, self.zip_code) if part)

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a listing."""
        named = {"state": self.state, "city": self.city, "zip_code": self.zip_code}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class PlaceIndex:
    """The searchable places, those with the most listings first."""

    places: tuple[Place, ...]
    geography: Geography

    @cached_property
    def _keys(self) -> list[tuple[str, str, Place]]:
        """(name, a space and the whole label, place): what a query is compared with."""
        return [
            (fold(p.zip_code or p.city or p.state), f" {fold(p.label)}", p) for p in self.places
        ]

    def search(self, text: str, limit: int = SHOWN) -> list[Place]:
        """The best matches, the best first; none for an empty text."""
        found, called = self._named(text, limit), self._nicknamed(text)
        # LA is Louisiana to the post, L.A. is a city to everybody.
        first = 1 if _state(text) and "." not in text else 0
        return list(dict.fromkeys([*found[:first], *called, *found[first:]]))[:limit]

    def _nicknamed(self, text: str) -> list[Place]:
        """The cities that are called like that."""
        city, state = _split(text)
        letters = "".join(c for c in (city or text).casefold() if c.isalnum())
        meant = NICKNAMES.get(letters, [])
        cities = [p for p in self.places if not p.zip_code and (p.city, p.state) in meant]
        return [p for p in cities if not city or state in ("", p.state)]

    def _named(self, text: str, limit: int) -> list[Place]:
        city, state = _split(text)
        query = fold(city)
        if not query and not state:
            return []
        if not query:
            return self._of_state(fold(text), state, limit)
        if query.isdigit():
            return self._zip_codes(query, limit)
        keys = [key for key in self._keys if not state or key[2].state == state]
        return self._ranked(keys, query, _rank, limit) or self._ranked(
            keys, query, _rank_of_typo, limit
        )

    @staticmethod
    def _ranked(
        keys: list[tuple[str, str, Place]],
        query: str,
        rank_of: Callable[[str, str, str], int | None],
        limit: int,
    ) -> list[Place]:
        ranked = [
            (rank, -place.listings, place.label, place)
            for name, whole, place in keys
            if (rank := rank_of(query, name, whole)) is not None
        ]
        return [place for *_, place in sorted(ranked, key=lambda r: r[:3])[:limit]]

    def _of_state(self, query: str, state: str, limit: int) -> list[Place]:
        """The state, cities of its name ("New York"), and its other places."""
        inside = [p for p in self.places if p.state == state]
        whole = [p for p in inside if not p.city and not p.zip_code]
        same = [p for p in self.places if p.city and not p.zip_code and fold(p.city) == query]
        return list(dict.fromkeys([*whole, *same, *inside]))[:limit]

    def _zip_codes(self, digits: str, limit: int) -> list[Place]:
        known = [p for p in self.places if p.zip_code.startswith(digits)]
        other = self.geography.by_code.get(digits)
        if not known and other is not None:
            return [Place(other.state, other.city, other.code)]
        return known[:limit]

    def find(self, text: str) -> Place | None:
        """The place that a text means without doubt: a label, a zip code, or the best match."""
        matches = self.search(text, 1)
        return matches[0] if matches else None


def index_of(answer: Mapping[str, Any], geography: Geography) -> PlaceIndex:
    """The index of GET /places of predict."""
    cities, zips = answer["cities"], answer["zip_codes"]
    places = [
        *(Place(state=state) for state in answer["states"]),
        *(
            Place(state, city, "", listings)
            for city, state, listings in zip(
                cities["name"], cities["state"], cities["listings"], strict=True
            )
        ),
    ]
    for code, state, listings in zip(zips["code"], zips["state"], zips["listings"], strict=True):
        at = geography.by_code.get(code)
        city, named = ("", state) if at is None else (at.city, at.state)
        places.append(Place(named, city, code, listings))
    return PlaceIndex(tuple(sorted(places, key=lambda p: (-p.listings, p.label))), geography)


def fold(text: str) -> str:
    """Lower case without accents and punctuation, abbreviations spelled out."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    # The last word may be the start of a longer one.
    return " ".join([*(_SHORT.get(word, word) for word in words[:-1]), *words[-1:]])


def _split(text: str) -> tuple[str, str]:
    """The text without its state, and the state: ("Houston", "Texas") for "Houston, TX 77084"."""
    words = text.replace(",", " , ").split()
    for code in (word for word in words if len(word) == 5 and word.isdigit()):
        return code, ""
    named = _state(" ".join(words))
    if named:
        return "", named
    for length in (3, 2, 1):
        if len(words) > length and (named := _state(" ".join(words[-length:]).strip(" ,"))):
            return " ".join(words[:-length]).strip(" ,"), named
    return text, ""


def _state(text: str) -> str:
    """The state's name, if the text is one or its abbreviation."""
    name = state_name(text.strip(" .,"))
    return name if name in STATE_NAMES else ""


def _rank(query: str, name: str, whole: str) -> int | None:
    """How well a place matches, 0 is best; None if it does not."""
    if query == name:
        return 0
    if name.startswith(query):
        return 1
    return 2 if f" {query}" in whole else None


def _rank_of_typo(query: str, name: str, _whole: str) -> int | None:
    """As ``_rank``, for a query with one typo."""
    # Either of the first two letters is right.
    if len(query) < 4 or (query[0] != name[:1] and query[1] != name[1:2]):
        return None
    lengths = (len(query) - 1, len(query), len(query) + 1)
    return 3 if any(is_typo(query, name[:n]) for n in lengths if n <= len(name)) else None


def is_typo(a: str, b: str) -> bool:
    """Whether one edit makes ``a`` of ``b``: a letter changed, added, left out, or two swapped."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if start is None:
        return True
    a, b = a[start:], b[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
