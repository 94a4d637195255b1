"""The links of a page of the app that lead elsewhere than to another page of it."""

import sys
from urllib.parse import urlsplit

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web.languages import LANGUAGES, ROUTES, address

PAGES = {address(route, language) for route in ROUTES for language in LANGUAGES}
# React Router marks what it follows itself, without asking the server.
FOUND = """[...document.querySelectorAll('a[href]')].map(
    a => [a.href, 'discover' in a.dataset && a.target !== '_blank'])"""


def links(page, *, routed=False):
    """Their selectors by address; ``routed`` are those that the router takes for pages."""
    here = page.js("location.origin")
    return {
        href: f"a[href] >> nth={number}"
        for number, (href, by_router) in enumerate(page.js(FOUND))
        if (by_router or not routed) and not _is_page(href, here)
    }


def _is_page(href, here):
    return href.startswith(here) and (urlsplit(href).path.rstrip("/") or "/") in PAGES
