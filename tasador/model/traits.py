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
_WEIGHTS = tuple(TRAIT_WEIGHTS.values())
_CENTRED = [list(TRAIT_WEIGHTS).index(name) for name in CENTRED]
_CENTRED_WEIGHTS = tuple(TRAIT_WEIGHTS[name] for name in CENTRED)
_LAND, _LOT = (list(TRAIT_WEIGHTS).index(name) for name in ("land", "log_lot"))
SOLD = list(TRAIT_WEIGHTS).index("sold")
# What ``known_values`` tells: which terms, the factors that turn its values into them, and which
# column of a listing each describes. The size that is missing is a trait already.
_MISSING = ("bed_missing", "bath_missing", "lot_missing")
_KNOWN_NAMES = (*TRAIT_WEIGHTS, "house_size_missing", *_MISSING, "land_lot")
KNOWN_TERMS = [_TERM_NAMES.index(name) for name in _KNOWN_NAMES]
KNOWN_SCALES = (
    *(1 / weight for weight in _WEIGHTS),
    0.0,
    *(1.0 for _ in _MISSING),
    1 / (TRAIT_WEIGHTS["land"] * TRAIT_WEIGHTS["log_lot"]),
)
KNOWN_COLUMNS = tuple(TERMS[term].column for term in KNOWN_TERMS)
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


def known_values(traits: Array, given: Array) -> Array:
    """What traits say about the terms of known listings, float64 [n, len(KNOWN_TERMS)].

    ``given`` [n, len(CENTRED)] are the real numbers (``given_of``). A value times its scale in
    KNOWN_SCALES is the term. Traits do not say who is ready to build: that counts as for sale.
    """
    land_lot = traits[:, _LAND] * traits[:, _LOT]
    return np.concatenate([traits, ~given, land_lot[:, None]], axis=1, dtype=np.float64)


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
