"""One TLS context for the HTTP clients of a test process.

httpx reads the certificates of all authorities again for each client and each single request, also
where the address is plain HTTP. That takes 25 ms of processor time.
"""

import os
import ssl
from functools import cache

import certifi

_create = ssl.create_default_context
# What httpx trusts with and without the variables of the environment.
_AUTHORITIES = {certifi.where(), os.environ.get("SSL_CERT_FILE")}


@cache
def _of_authorities(file):
    return _create(cafile=file)


def _shared(*args, **kwargs):
    if not args and kwargs.keys() == {"cafile"} and kwargs["cafile"] in _AUTHORITIES - {None}:
        return _of_authorities(kwargs["cafile"])
    return _create(*args, **kwargs)


def share():
    """Let the clients of this process that trust the usual authorities use one context."""
    ssl.create_default_context = _shared
