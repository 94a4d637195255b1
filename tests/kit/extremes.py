"""Extremes of every field, one and two at a time, and the prices of what is nearest to them."""

from itertools import combinations, product

import numpy as np

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import NUMBERS, Listing
from tasador.listings.table import columns_of
from tasador.model.own_features import terms
from tasador.model.traits import traits_of
from tasador.training.geography import load_geography
from tasador.training.rows import prepare_rows

NEAREST = 200
EXTREMES = {
    "house_size": (1.0, 1e7),
    "bed": (0.0, 99.0),
    "bath": (0.0, 99.0),
    "acre_lot": (0.0, 1e6),
}
CORNERS = [
    dict(zip(names, values, strict=True))
    for several in (1, 2)
    for names in combinations(EXTREMES, several)
    for values in product(*(EXTREMES[name] for name in names))
]
# Kilometres that count as a difference of 1 in traits, as for comparables.
KM = 4.0


def homes_of(shown, places):
    """One whole home in each of so many zip codes, evenly taken from all of them."""
    whole = shown.dropna(subset=[*NUMBERS, "zip_code", "state", "city", "status"])
    homes = whole.drop_duplicates("zip_code")
    homes = homes.iloc[np.linspace(0, len(homes) - 1, places).astype(int)]
    names = ("status", "bed", "bath", "acre_lot", "city", "state", "zip_code", "house_size")
    columns = (homes[name].tolist() for name in names)
    return [
        Listing(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)
    ]


def assert_no_price_is_absurd(bundle, shown, homes):
    """Each corner of each home: at most 3 times the highest, and at least a third of the lowest,
    price of its nearest comparables, and within its own intervals."""
    listings = [home._replace(**corner) for home in homes for corner in CORNERS]
    predictions = bundle.predict(arrays_of(listings))
    lowest, highest = price_range_of_nearest(bundle, shown, listings)
    assert (predictions.price <= 3 * highest).all()
    assert (predictions.price >= lowest / 3).all()
    for level, low in predictions.low.items():
        assert (low <= predictions.price).all()
        assert (predictions.price <= predictions.high[level]).all()
        assert np.isfinite(predictions.high[level]).all()


def price_range_of_nearest(bundle, shown, listings):
    """The lowest and the highest price of the nearest comparables of each listing, by traits and
    kilometres, among all listings shown."""
    geography = load_geography()
    known = columns_of(shown.dropna(subset=["zip_code"]))
    rows = prepare_rows(known)
    points, price = geography.points[rows.zips], known["price"]
    parsed = bundle.encoders.parse(arrays_of(listings))
    traits = traits_of(terms(parsed.numbers, bundle.encoders.means))
    places = geography.points[geography.positions(parsed.codes.zips)]
    lowest, highest = np.empty(len(listings)), np.empty(len(listings))
    for row in range(len(listings)):
        squared = ((rows.traits - traits[row]) ** 2).sum(axis=1)
        squared += ((points - places[row]) ** 2).sum(axis=1) / KM**2
        nearest = price[np.argpartition(squared, NEAREST)[:NEAREST]]
        lowest[row], highest[row] = nearest.min(), nearest.max()
    return lowest, highest
