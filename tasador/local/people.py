"""The parts that people look at and the loop does not need: each a daemon like the others.

A part is named in NAMES, has its address in ``endpoints.ADDRESSES``, and is described by
``daemons``.
"""

from __future__ import annotations

from tasador.local.process import Daemon
from tasador.settings import Settings

NAMES: tuple[str, ...] = ()


def daemons(settings: Settings) -> list[Daemon]:
    """The daemons of ``NAMES``, listening where the settings say."""
    return []
