"""The map of the simulated market: real states, cities and zip codes, each with a price level."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

# Each state: its share of the listings, dollars per square foot; each city: its factor, its zips.
_KNOWN = """
California 9 430; Los Angeles 1.25 90019 90046 90024 90042; San Diego 1.15 92128 92103 92114 92130
 ; Sacramento 0.75 95835 95823 95822 95842; San Jose 1.35 95120 95111 95125; Stockton 0.65 95209
 95206 95219
Florida 10 270; Jacksonville 0.8 32218 32210 32256 32207; Miami 1.45 33131 33132 33137 33176
 ; Orlando 0.9 32822 32824 32835 32836; Naples 1.3 34120 34119 34108; Lehigh Acres 0.75 33974 33971
Texas 9 185; Houston 1.0 77007 77008 77055 77084; Fort Worth 0.95 76179 76244 76131 76107
 ; San Antonio 0.85 78245 78254 78212; Dallas 1.3 75204 75214 75230 75208; El Paso 0.7 79938 79912
New York 4 230; Brooklyn 2.2 11235 11229 11209 11214; Staten Island 1.6 10306 10312 10301
 ; Bronx 1.4 10465 10463 10466; Rochester 0.6 14624 14612 14606; Buffalo 0.65 14207 14213 14220
North Carolina 4 190; Charlotte 1.2 28269 28277 28205 28215; Winston Salem 0.8 27127 27107 27106
 ; Greensboro 0.85 27455 27410 27405; Wilmington 1.15 28412 28401 28409
Illinois 3 165; Chicago 1.35 60611 60614 60622 60647; Naperville 1.2 60564 60563 60540
 ; Rockford 0.5 61103 61104 61108; Aurora 0.95 60504 60506 60505
Georgia 3 175; Atlanta 1.45 30318 30316 30305 30309; Savannah 1.0 31419 31404 31405
 ; Marietta 1.15 30068 30067 30064; Augusta 0.65 30909 30906 30904
Pennsylvania 3 160; Philadelphia 1.2 19145 19130 19146 19124; Pittsburgh 1.0 15237 15217 15203
 ; Lancaster 1.0 17601 17603 17602; Erie 0.65 16510 16509 16506
Arizona 3 250; Phoenix 1.05 85041 85027 85032 85042; Tucson 0.8 85718 85747 85756 85710
 ; Scottsdale 1.6 85262 85251 85255; Mesa 0.95 85209 85207 85205
Virginia 3 210; Richmond 0.95 23223 23231 23236 23234; Alexandria 1.6 22314 22304 22315
 ; Arlington 1.85 22204 22206 22201; Roanoke 0.65 24018 24012 24019
Ohio 3 130; Cleveland 0.7 44135 44120 44102; Columbus 1.25 43215 43206 43207 43228
 ; Cincinnati 1.1 45205 45202 45226; Akron 0.75 44312 44313 44306
New Jersey 2 250; Trenton 0.7 08618 08611 08638; Toms River 1.0 08757 08753 08755
 ; Jersey City 1.6 07302 07306 07307; Newark 0.95 07105 07112 07103
Maryland 2 215; Baltimore 0.75 21224 21230 21216; Frederick 1.0 21702 21701 21703
 ; Silver Spring 1.25 20902 20906 20904; Rockville 1.4 20852 20850 20853
Missouri 2 140; Saint Louis 0.9 63116 63123 63109; Kansas City 1.1 64156 64155 64119
 ; Springfield 0.9 65810 65807 65803; Saint Charles 1.25 63301 63303 63304
Michigan 2 140; Detroit 0.55 48219 48224 48234; Lansing 0.8 48906 48910 48917
 ; Ann Arbor 1.8 48103 48105 48108; Traverse City 1.5 49684 49686 49685
Wisconsin 2 155; Milwaukee 0.85 53207 53218 53222; Madison 1.45 53704 53719 53705
 ; Green Bay 0.95 54302 54303 54313; Waukesha 1.2 53188 53186 53189
Tennessee 2 185; Knoxville 1.0 37918 37931 37917; Memphis 0.7 38122 38111 38125
 ; Nashville 1.55 37209 37217 37207; Clarksville 0.9 37042 37040 37043
South Carolina 2 180; Myrtle Beach 1.05 29579 29577 29588; Greenville 1.1 29607 29605 29609
 ; Aiken 0.85 29803 29801; Conway 0.95 29526 29527
Massachusetts 2 350; Boston 1.6 02127 02135 02131 02130; Springfield 0.55 01108 01109 01119
 ; Worcester 0.75 01603 01604 01609; Somerville 1.75 02143 02145 02144
Oklahoma 2 130; Oklahoma City 1.0 73170 73159 73112; Tulsa 0.95 74136 74133 74145
 ; Edmond 1.2 73013 73034 73012; Norman 1.05 73072 73071 73069
Alabama 2 135; Birmingham 0.85 35215 35211 35205; Hoover 1.35 35226 35244 35216
 ; Montgomery 0.8 36117 36116 36106; Mobile 0.85 36608 36695 36605
Louisiana 1 145; New Orleans 1.3 70122 70117 70119; Shreveport 0.75 71106 71118 71107
 ; Baton Rouge 1.0 70810 70817 70808
Kentucky 1 145; Louisville 1.05 40229 40245 40220; Lexington 1.2 40511 40515 40517
 ; Owensboro 0.85 42301 42303
Iowa 1 135; Des Moines 0.9 50315 50310 50317; Iowa City 1.3 52245 52246 52240
 ; Davenport 0.8 52804 52806 52803
Indiana 1 135; Indianapolis 1.1 46202 46201 46203; Fort Wayne 0.95 46803 46845 46825
 ; Bloomington 1.3 47404 47408 47403
Connecticut 1 220; Stamford 1.5 06902 06906 06905; Waterbury 0.7 06708 06704 06706
 ; Bridgeport 0.95 06606 06604 06610
"""

# States that appear only in scenarios with new states.
_NEW = """
Colorado 5 300; Denver 1.25 80202 80205 80211 80220; Colorado Springs 0.95 80903 80909 80918
 ; Pueblo 0.6 81001 81004
Washington 5 340; Seattle 1.45 98103 98115 98118; Tacoma 0.95 98404 98405 98406
 ; Spokane 0.7 99201 99205 99208
Oregon 3 290; Portland 1.2 97202 97206 97211; Salem 0.85 97301 97302; Eugene 1.0 97401 97402 97405
Minnesota 3 190; Minneapolis 1.2 55406 55407 55418; Saint Paul 1.1 55104 55105 55106
 ; Duluth 0.75 55804 55811
Utah 2 260; Salt Lake City 1.3 84103 84105 84108; Ogden 0.8 84401 84403 84404; Provo 1.0 84601 84604
"""

_ZIP_SPREAD = 0.15  # standard deviation, in log price, between the zips of a city


@dataclass(frozen=True, slots=True)
class Place:
    """One zip code of the market; ``level`` is dollars per square foot of a 1,700 sq ft house."""

    state: str
    city: str
    zip_code: str
    level: float
    weight: float


@cache
def known_places() -> tuple[Place, ...]:
    """The places of the ordinary market."""
    return _parse(_KNOWN)


@cache
def new_places() -> tuple[Place, ...]:
    """The places in states that only some scenarios have."""
    return _parse(_NEW)


@cache
def place_levels() -> dict[tuple[str, str], float]:
    """The level of every place of the market, by state and zip code."""
    return {(p.state, p.zip_code): p.level for p in known_places() + new_places()}


def _parse(table: str) -> tuple[Place, ...]:
    places = []
    for line in table.strip().replace("\n ", " ").split("\n"):
        head, *cities = (part.strip() for part in line.split(";"))
        state, share, dollars = head.rsplit(maxsplit=2)
        for city in cities:
            words = city.split()
            zips = [word for word in words if len(word) == 5 and word.isdigit()]
            *name, factor = words[: len(words) - len(zips)]
            for zip_code in zips:
                level = float(dollars) * float(factor) * _zip_factor(zip_code)
                weight = float(share) / len(cities) / len(zips)
                places.append(Place(state, " ".join(name), zip_code, round(level, 2), weight))
    return tuple(places)


def _zip_factor(zip_code: str) -> float:
    """The factor of a zip code, the same for every seed."""
    digest = hashlib.blake2b(zip_code.encode(), digest_size=8, person=b"zip").digest()
    share = (int.from_bytes(digest, "big") + 0.5) / 2**64
    return math.exp(_ZIP_SPREAD * NormalDist().inv_cdf(share))
