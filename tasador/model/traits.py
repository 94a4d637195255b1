"""Traits: what the distance between two listings is measured in.

numpy alone: serving imports this module.
"""

from __future__ import annotations

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import Numbers
from tasador.model.features import CENTRED, TERMS
from tasador.model.own_features import centred

# Terms of the local regressions, and the distance between two listings that differ by 1 in each.
TRAIT_WEIGHTS = {
    "log_house_size": 3.0,
    "bed": 0.5,
    "log_bath": 1.2,
    "log_lot": 0.4,
    "land": 5.0,
    "house_size_missing": 1.0,
    "sold": 0.3,
}
TRAITS = len(TRAIT_WEIGHTS)
_TERM_NAMES = [term.name for term in TERMS]
_TERMS = [_TERM_NAMES.index(name) for name in TRAIT_WEIGHTS]
_LEVEL, _LAND, _LOT, _LAND_LOT = map(_TERM_NAMES.index, ("level", "land", "log_lot", "land_lot"))
SOLD_TERM = _TERM_NAMES.index("sold")
# Of each number in CENTRED, the term that says it is missing.
_MISSING = [
    _TERM_NAMES.index(name)
    for name in ("house_size_missing", "bed_missing", "bath_missing", "lot_missing")
]
_WEIGHTS = tuple(TRAIT_WEIGHTS.values())
_CENTRED = [list(TRAIT_WEIGHTS).index(name) for name in CENTRED]
_CENTRED_WEIGHTS = tuple(TRAIT_WEIGHTS[name] for name in CENTRED)
# Traits are rounded to 1/64. Their squares, products and sums are then whole multiples of a step
# that float32 holds exactly, so a distance is the same on every processor and in every order of
# summation. The kernels are much wider than the step.
_STEPS = 64
_STEPS_FLOAT32 = np.float32(_STEPS)
# Squared lengths below this are whole multiples of a step squared in float32's 24 bits.
EXACT_LENGTH = 2.0**24 / _STEPS**2


def traits_of(terms: Array) -> Array:
    """The traits, float32 [n, TRAITS], from the terms of the regressions [n, len(TERMS)]."""
    return np.asarray(terms[:, _TERMS] * _WEIGHTS, dtype=np.float32)


def traits_of_one(terms: list[float]) -> Array:
    """``traits_of`` one listing [TRAITS]."""
    weighted = [terms[term] * weight for term, weight in zip(_TERMS, _WEIGHTS, strict=True)]
    return np.array(weighted, dtype=np.float32)


def centred_numbers_of(traits: Array) -> Array:
    """The numbers of CENTRED minus their means, float64 [n, len(CENTRED)], from the traits."""
    return traits[:, _CENTRED].astype(np.float64) / _CENTRED_WEIGHTS


def terms_of(traits: Array, given: Array) -> Array:
    """The terms of the regressions, float64 [n, len(TERMS)], as far as traits tell them.

    ``given`` [n, len(CENTRED)] are the real numbers (``given_of``). Traits do not say who is ready
    to build: that counts as for sale.
    """
    terms = np.zeros((len(traits), len(TERMS)))
    terms[:, _LEVEL] = 1.0
    terms[:, _TERMS] = traits.astype(np.float64) / _WEIGHTS
    terms[:, _MISSING] = ~given
    terms[:, _LAND_LOT] = terms[:, _LAND] * terms[:, _LOT]
    return terms


def given_of(numbers: Numbers) -> Array:
    """Which of the numbers in CENTRED are real and not missing, bool [n, len(CENTRED)]."""
    return np.column_stack([~np.isnan(values) for values in centred(numbers).values()])


def round_traits(traits: Array, out: Array) -> Array:
    """Write the traits, rounded to whole steps, into ``out``."""
    np.multiply(traits, _STEPS_FLOAT32, out=out)
    np.rint(out, out=out)
    out /= _STEPS_FLOAT32
    return out


def round_traits_of_one(traits: Array) -> list[float]:
    """``round_traits`` of one listing [TRAITS]."""
    return [round(trait * _STEPS) / _STEPS for trait in traits.tolist()]
