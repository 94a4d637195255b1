"""The features of the model: their names, their order, and the constants behind them.

``tasador.model.own_features`` computes those that a listing has by itself, and
``tasador.model.encoders`` those that are learned from training data (price levels of places,
brokers, comparables). numpy alone: serving imports this module.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.listing import NUMBERS

# The columns that the model reads. The street identifies a property; it says nothing about others.
MODEL_INPUTS = (
    *NUMBERS,
    "status",
    "prev_sold_date",
    "city",
    "state",
    "zip_code",
    "brokered_by",
)
PLACE = ("city", "state", "zip_code")
# The numbers that are clipped to their training range.
RANGED = (*NUMBERS, "prev_sold_year")

# Each local regression is fitted on so many of the nearest listings. The fewer, the closer it
# follows the place, and the more it is shrunk towards the next wider one. The regressions of the
# nation and the state are wider than all of these.
SCALES = (1000, 200, 50, 15)
# The local regression whose prediction the trees correct.
BASE_SCALE = 50
# That of the premium of comparables, cities and brokers.
PREMIUM_SCALE = 200
# By regression (state, then SCALES): at this distance (km) from the nearest known listing, what it
# adds to the next wider regression counts half.
HALF_KM = (400.0, 100.0, 40.0, 20.0, 10.0)
# Density of a place: how many zip codes of the country lie within so many kilometres. It predicts
# prices where no listing is known.
REACHES_KM = (15, 50)
# Widths of the Gaussian kernels that weigh comparables.
KERNELS = (0.4, 1.2)


class Feature(NamedTuple):
    """A column of the feature matrix, and the listing column (or group of them) it describes."""

    name: str
    column: str


# The terms of the local regressions: the listing's numbers minus their means, and an indicator for
# each that is missing. Land (no bedrooms, no house) has a separate level and slope.
TERMS = (
    Feature("level", "place"),
    Feature("sold", "status"),
    Feature("ready_to_build", "status"),
    Feature("log_house_size", "house_size"),
    Feature("house_size_missing", "house_size"),
    Feature("bed", "bed"),
    Feature("bed_missing", "bed"),
    Feature("log_bath", "bath"),
    Feature("bath_missing", "bath"),
    Feature("log_lot", "acre_lot"),
    Feature("lot_missing", "acre_lot"),
    Feature("land", "house_size"),
    Feature("land_lot", "acre_lot"),
)
# The terms that are centred: numbers minus their training means.
CENTRED = ("log_house_size", "bed", "log_bath", "log_lot")

_OWN = (
    Feature("log_house_size", "house_size"),
    Feature("log_acre_lot", "acre_lot"),
    Feature("bed", "bed"),
    Feature("bath", "bath"),
    Feature("rooms", "bath"),
    Feature("log_size_per_room", "house_size"),
    Feature("baths_per_bed", "bath"),
    Feature("log_lot_to_house", "acre_lot"),
    Feature("status", "status"),
    Feature("prev_sold_year", "prev_sold_date"),
)
_OF_PLACE = (
    *(Feature(f"price_{scale}", "place") for scale in ("nation", "state", *SCALES)),
    Feature("distance", "place"),
    *(Feature(f"zip_codes_{km}km", "place") for km in REACHES_KM),
    Feature("zip_count", "place"),
    Feature("zip_premium", "place"),
    Feature("zip_spread", "place"),
    Feature("city_premium", "place"),
    Feature("city_count", "place"),
    Feature("broker_premium", "brokered_by"),
    Feature("broker_count", "brokered_by"),
)
# What each kernel measures of the comparables, in this order.
COMPARABLE_MEASURES = ("premium", "price", "weight")
_OF_COMPARABLES = tuple(
    Feature(f"comparables_{measure}_{width:g}", "comparables")
    for width in KERNELS
    for measure in COMPARABLE_MEASURES
)
# Degrees, known only where the listing's own zip code has training listings. A bundle of format 4
# or 5 has the features before them.
COORDINATES = (Feature("latitude", "place"), Feature("longitude", "place"))
# The log of what homes in the zip code are worth by a survey of the whole country
# (docs/decisions/0082-survey-home-values.md). A bundle before format 8 has the features before it.
HOME_VALUE = Feature("home_value", "place")
FEATURES = (*_OWN, *_OF_PLACE, *_OF_COMPARABLES, *COORDINATES, HOME_VALUE)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
NAMES_WITHOUT_HOME_VALUE = FEATURE_NAMES[:-1]
NAMES_WITHOUT_COORDINATES = NAMES_WITHOUT_HOME_VALUE[: -len(COORDINATES)]
BASE = FEATURE_NAMES.index(f"price_{BASE_SCALE}")
DISTANCE = FEATURE_NAMES.index("distance")
OWN = len(_OWN)

# A place farther than this from every known listing counts as unknown (kilometres).
NEAR_KM = 25.0
# The same on the scale of the feature matrix, log1p in float32.
_NEAR = float(np.float32(math.log1p(NEAR_KM)))


def places_known(matrix: Array) -> Array:
    """Whether each row's place is within NEAR_KM of a training listing, bool [n].

    False where the row names no place.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(matrix[:, DISTANCE] <= _NEAR)


def place_known(distance: float) -> bool:
    """``places_known`` of one listing, by log1p of its distance (km)."""
    return distance <= _NEAR
