"""The states, territories and the federal district of the United States by their names and codes.

Sources: postal codes and their names, USPS Publication 28, appendix B; the traditional
abbreviations, GPO Style Manual, chapter 9. It imports the standard library alone.
"""

from __future__ import annotations

import re

# Postal code, name, then other spellings.
_STATES = """
AL Alabama|ala
AK Alaska
AZ Arizona|ariz
AR Arkansas|ark
CA California|calif|cal
CO Colorado|colo
CT Connecticut|conn
DE Delaware|del
DC District of Columbia|washington dc|washington d c
FL Florida|fla
GA Georgia
HI Hawaii
ID Idaho
IL Illinois|ill
IN Indiana|ind
IA Iowa
KS Kansas|kans
KY Kentucky
LA Louisiana
ME Maine
MD Maryland
MA Massachusetts|mass
MI Michigan|mich
MN Minnesota|minn
MS Mississippi|miss
MO Missouri
MT Montana|mont
NE Nebraska|nebr|neb
NV Nevada|nev
NH New Hampshire
NJ New Jersey
NM New Mexico|n mex
NY New York
NC North Carolina|n carolina
ND North Dakota|n dak|n dakota
OH Ohio
OK Oklahoma|okla
OR Oregon|oreg|ore
PA Pennsylvania|penna|penn
RI Rhode Island
SC South Carolina|s carolina
SD South Dakota|s dak|s dakota
TN Tennessee|tenn
TX Texas|tex
UT Utah
VT Vermont
VA Virginia
WA Washington|wash
WV West Virginia|w va|w virginia
WI Wisconsin|wis|wisc
WY Wyoming|wyo
AS American Samoa
GU Guam
MP Northern Mariana Islands|cnmi|n mariana islands
PR Puerto Rico
VI Virgin Islands|usvi
UM United States Minor Outlying Islands|minor outlying islands
FM Federated States of Micronesia
MH Marshall Islands
PW Palau
"""


def _spellings() -> dict[str, str]:
    names = {}
    for line in _STATES.split("\n")[1:-1]:
        code, _, spelled = line.partition(" ")
        name, *others = spelled.split("|")
        for spelling in (code.lower(), name.lower(), *others):
            names[spelling] = name
        # The usual forms, which need no further preparation.
        names[code] = names[name] = name
    return names


_NAMES = _spellings()
# What is not a letter of a name: "New-York", "new_york", "Hawai'i" with any apostrophe.
_PLAIN = str.maketrans({**dict.fromkeys(".,-_()", " "), **dict.fromkeys("'`\u2018\u2019\u02bb")})
_COUNTRY = r"(?:u ?s(?: ?a)?|united states(?: of america)?)"
# Texts, which re compiles and caches at their first use: a function's start needs none of them.
# What may stand before and after a name.
_BEFORE = rf"^(?:the |(?:state|commonwealth|territory) of |{_COUNTRY} )+"
_AFTER = rf"(?: {_COUNTRY}| state)+$"
# Between two spellings of one state: "Texas (TX)", "New York, NY".
_BETWEEN = r"[,/()]|(?<=\s)[-\u2013](?=\s)"

STATE_NAMES = tuple(sorted(set(_NAMES.values())))


def state_code(name: str) -> str | None:
    """The two letters of the state of this name; None if it is none of STATE_NAMES."""
    return next(
        (
            code
            for code, known in _NAMES.items()
            if known == name and len(code) == 2 and code.isupper()
        ),
        None,
    )


def state_name(text: str) -> str:
    """The name of the state that a text without blanks at its ends means; else the text itself."""
    known = _NAMES.get(text)
    if known is not None:
        return known
    plain = _plain(text).lower()
    if name := _known(plain):
        return name
    names = {_known(part) for part in re.split(_BETWEEN, plain) if part.strip()}
    return names.pop() or text if len(names) == 1 else text


def _known(text: str) -> str:
    """The state that a text in lower case means; empty if none."""
    words = " ".join(text.translate(_PLAIN).split())
    short = re.sub(_AFTER, "", re.sub(_BEFORE, "", words, count=1))
    for spelling in (words, short):
        # "N. Dak." is two words, "N. Y." is one code.
        if name := _NAMES.get(spelling) or _NAMES.get(spelling.replace(" ", "")):
            return name
    return ""


def _plain(text: str) -> str:
    """The text with full-width letters, as keyboards of East Asia write them, made plain ones."""
    if text.isascii():
        return text
    import unicodedata

    return unicodedata.normalize("NFKC", text)
