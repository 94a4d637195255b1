"""The scenarios: what happens to the simulated market, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasador.errors import ConfigurationError

BATCHES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """The market during one batch.

    ``price_factor`` multiplies the price rule. ``new_states`` is the share of offers in states of
    ``places.new_places``. ``small_houses`` shifts the mix to small houses in cheap places, at the
    same prices. ``feed`` is the state of the source's feed:

    - "sound": the usual dirt of real listings;
    - "broken-schema": house_size in square metres; in a share of RENAMED rows the column bed is
      called bedrooms; in a share of AS_TEXT rows price is like "$312,000" and bath like "2 baths";
    - "garbage": house_size is text like "139 m2" wherever it is known, and price is like
      "USD 312.000" in a share of GARBAGE_PRICES rows, so nine rows in ten are refused.
    """

    price_factor: float = 1.0
    new_states: float = 0.0
    small_houses: bool = False
    feed: Literal["sound", "broken-schema", "garbage"] = "sound"


RENAMED = 0.2
AS_TEXT = 0.1
GARBAGE_PRICES = 0.6


@dataclass(frozen=True, slots=True)
class Scenario:
    """Six batches of a market: its description, its phases, and the default rows per batch."""

    name: str
    description: str
    phases: tuple[Phase, ...]
    rows: int = 3_000


_STEADY = Phase()

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("steady", "six batches of one market", (_STEADY,) * BATCHES),
        Scenario(
            "price-shift",
            "prices rise by a quarter from batch 2 on",
            (_STEADY,) * 2 + (Phase(price_factor=1.25),) * 4,
        ),
        Scenario(
            "new-states",
            "from batch 3 on, four offers in ten lie in states never seen",
            (_STEADY,) * 3 + (Phase(new_states=0.4),) * 3,
        ),
        Scenario(
            "mix-change",
            "from batch 2 on, houses are smaller and in cheaper places, at the same prices",
            (_STEADY,) * 2 + (Phase(small_houses=True),) * 4,
        ),
        Scenario(
            "broken-schema",
            "in batch 2 sizes come in square metres, a column is renamed, numbers come as text",
            (_STEADY,) * 2 + (Phase(feed="broken-schema"),) + (_STEADY,) * 3,
        ),
        Scenario(
            "demo",
            "0 base, 1 to 3 the same market, 4 prices up by 30 % and new states, 5 a broken feed",
            (
                *(_STEADY,) * 4,
                Phase(price_factor=1.30, new_states=0.45),
                Phase(price_factor=1.30, feed="garbage"),
            ),
            rows=2_500,
        ),
    )
}


def find_scenario(name: str) -> Scenario:
    """The scenario of that name; ConfigurationError lists the names."""
    if name not in SCENARIOS:
        raise ConfigurationError(f"there is no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
