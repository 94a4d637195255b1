"""How wrong passwords slow down the next attempt. Pure."""

from __future__ import annotations

import ipaddress

_FREE = 5
_LONGEST = 900.0


def delay(failures: int) -> float:
    """Seconds that must pass after ``failures`` wrong passwords in a row.

    None after four; one second after five, and twice as long after each further one: 32 seconds
    after ten, 15 minutes at most.
    """
    if failures < _FREE:
        return 0.0
    return min(2.0 ** min(failures - _FREE, 20), _LONGEST)


def account_key(name: str) -> str:
    """The key of an account, whether it exists or not."""
    return f"account {name}"


def address_key(address: str) -> str:
    """The key of an address; an IPv6 network of 64 bits counts as one, since one host has it."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"address {address[:64]}"
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped is not None:
            return f"address {known.ipv4_mapped}"
        return f"address {ipaddress.ip_network((known, 64), strict=False)}"
    return f"address {known}"
