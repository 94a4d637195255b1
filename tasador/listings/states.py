"""The states, territories and the federal district of the United States by their names and codes.

Sources: postal codes and their names, USPS Publication 28, appendix B; the traditional
abbreviations, GPO Style Manual, chapter 9. It imports the standard library alone.
"""

from __future__ import annotations

# Postal code, name, then other spellings.
_STATES = """
AL Alabama|ala
AK Alaska
AZ Arizona|ariz
AR Arkansas|ark
CA California|calif
CO Colorado|colo
CT Connecticut|conn
DE Delaware|del
DC District of Columbia|washington dc|washington, dc|washington d c|washington, d c
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
PA Pennsylvania|penna
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
MP Northern Mariana Islands|cnmi|the northern mariana islands
PR Puerto Rico
VI Virgin Islands|us virgin islands|u s virgin islands|united states virgin islands|usvi
UM United States Minor Outlying Islands|us minor outlying islands|u s minor outlying islands
FM Federated States of Micronesia
MH Marshall Islands
PW Palau
"""


def _spellings() -> dict[str, str]:
    names = {}
    for line in _STATES.split("\n")[1:-1]:
        code, _, spelled = line.partition(" ")
        name, *others = spelled.split("|")
        for spelling in (code.lower(), f"us-{code.lower()}", name.lower(), *others):
            names[spelling] = name
        # The usual forms, which need no further preparation.
        names[code] = names[name] = name
    return names


_NAMES = _spellings()
# What may stand before and after a name.
_BEFORE = ("the ", "state of ", "commonwealth of ")
_AFTER = (", usa", " usa", ", us", " state")

STATE_NAMES = tuple(sorted(set(_NAMES.values())))


def state_name(text: str) -> str:
    """The name of the state that a text without blanks at its ends means; else the text itself."""
    known = _NAMES.get(text)
    if known is not None:
        return known
    key = " ".join(_plain(text).lower().replace(".", ". ").replace(" ,", ",").split())
    for addition in _BEFORE:
        key = key.removeprefix(addition)
    for addition in _AFTER:
        key = key.removesuffix(addition)
    # "N. Dak." is two words, "N. Y." is one code.
    words = key.replace(".", "")
    return _NAMES.get(words) or _NAMES.get(words.replace(" ", "")) or text


def _plain(text: str) -> str:
    """The text with full-width letters, as keyboards of East Asia write them, made plain ones."""
    if text.isascii():
        return text
    import unicodedata

    return unicodedata.normalize("NFKC", text)
