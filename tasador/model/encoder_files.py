"""Encoders as two files of a bundle: names and keys as JSON, arrays as numpy's .npz.

The names in these files are part of the bundle format. Arrays of Places, Comparables and Support
are stored under the names of their fields.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from tasador.arrays import Array
from tasador.errors import BundleError
from tasador.model.array_file import from_npz, to_npz
from tasador.model.blend import ONE_REGRESSION, Blend
from tasador.model.categories import Category, index_of
from tasador.model.comparables import Comparables
from tasador.model.encoders import Encoders
from tasador.model.features import (
    CENTRED,
    FEATURE_NAMES,
    HOME_VALUE,
    NAMES_WITHOUT_COORDINATES,
    NAMES_WITHOUT_HOME_VALUE,
    RANGED,
)
from tasador.model.places import Places
from tasador.model.support import Support

_FEATURES = (FEATURE_NAMES, NAMES_WITHOUT_HOME_VALUE, NAMES_WITHOUT_COORDINATES)


def to_files(encoders: Encoders) -> tuple[bytes, bytes]:
    """The encoders as JSON and as .npz; equal encoders give equal bytes."""
    names: dict[str, Any] = {
        "features": encoders.feature_names,
        "ranges": encoders.ranges,
        "means": encoders.means,
        "states": list(encoders.state_index),
        "cities": list(encoders.cities.index),
        "brokers": list(encoders.brokers.index),
        "unstated": encoders.unstated,
    }
    if encoders.support is not None:
        names["blend"] = encoders.blend.to_names()
    return json.dumps(names, separators=(",", ":")).encode(), to_npz(_tables(encoders))


def from_files(text: bytes, tables: bytes) -> Encoders:
    """Read what ``to_files`` wrote; raises BundleError for anything else."""
    try:
        names = json.loads(text)
        if tuple(names["features"]) not in _FEATURES:
            raise BundleError("encoders.json is of another version of Tasador: its features differ")
        arrays: dict[str, Any] = dict(from_npz(tables))
        # Bundles of format 4 and 5 have neither coordinates, support nor a blend.
        is_old = tuple(names["features"]) == NAMES_WITHOUT_COORDINATES
        if is_old:
            arrays["places.coordinates"] = None
        if HOME_VALUE.name not in names["features"]:
            arrays["places.home_value"] = None

        def part(kind: Any, name: str) -> Any:
            return kind(**{c: arrays[f"{name}.{c}"] for c in _stored(kind)})

        def category(name: str) -> Category:
            return Category(
                index_of(names[name]), arrays[f"{name}.premium"], arrays[f"{name}.count"]
            )

        return Encoders(
            ranges={name: _pair(names["ranges"][name]) for name in RANGED},
            means={name: float(names["means"][name]) for name in CENTRED},
            places=part(Places, "places"),
            state_index=index_of(names["states"]),
            cities=category("cities"),
            city_area=arrays["city_area"],
            brokers=category("brokers"),
            comparables=part(Comparables, "comparables"),
            support=None if is_old else part(Support, "support"),
            blend=ONE_REGRESSION if is_old else Blend.from_names(names["blend"]),
            unstated=names.get("unstated"),
        )
    except BundleError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"the encoders cannot be read: {error!r}") from error


def _tables(encoders: Encoders) -> dict[str, Array]:
    parts: dict[str, Any] = {"places": encoders.places, "comparables": encoders.comparables}
    if encoders.support is not None:
        parts["support"] = encoders.support
    tables = {
        f"{name}.{column}": getattr(part, column)
        for name, part in parts.items()
        for column in _stored(part)
        if getattr(part, column) is not None
    }
    for name, category in (("cities", encoders.cities), ("brokers", encoders.brokers)):
        tables |= {f"{name}.premium": category.premium, f"{name}.count": category.count}
    return {**tables, "city_area": encoders.city_area}


def _stored(part: Any) -> list[str]:
    return [field.name for field in fields(part) if field.init]


def _pair(ends: Any) -> tuple[float, float]:
    low, high = ends
    return float(low), float(high)
