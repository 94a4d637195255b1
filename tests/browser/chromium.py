"""A headless Chromium, driven by Playwright, with the few words that the tests use.

Playwright runs in another thread: its synchronous API would leave an event loop running in the
thread of the tests, where ``asyncio.run`` then fails.
"""

import json
import os
import re
import shutil
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Error, async_playwright

from tests.kit.waiting import wait_for

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Evaluates an expression for a second, in the page: a message each time would take more processor
# time. Playwright's wait_for_function evaluates text later, which our pages' policy forbids. A new
# document has no body at first.
LOOK = """(async () => {
    for (const end = Date.now() + 1000; Date.now() < end;) {
        const value = document.body && (%s);
        if (value) return value instanceof Node || value;
        await new Promise(resolve => setTimeout(resolve, 30));
    }
})()"""


def find():
    """The path of Chromium (CHROMIUM overrides the search), or None."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browser():
    """Run Chromium with a new profile; yields ``Page`` without its first two arguments.

    Its pages share a cache of files and of compiled scripts, which saves much of their time.
    """
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(async_playwright()) as playwright,
    ):
        launch = partial(
            playwright.chromium.launch_persistent_context,
            "",
            executable_path=find(),
            args=["--disable-gpu"],
            viewport={"width": 1280, "height": 1000},
        )
        with portal.wrap_async_context_manager(portal.call(launch)) as profile:
            yield partial(Page, portal, profile)


class Page:
    """One tab of the profile, or ``apart`` from it with Playwright's options for a page.

    ``requests`` are the URLs that it requested, ``errors`` those of its console.
    """

    def __init__(self, portal, profile, *, apart=False, **options):
        self.requests, self.errors = [], []
        self._portal = portal
        self._page = self._do(self._new, profile.browser if apart else profile, options)

    async def _new(self, owner, options):
        page = await owner.new_page(**options)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(error.stack or error.message))
        return page

    def _note(self, message):
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    def _do(self, method, *arguments, **options):
        return self._portal.call(partial(method, *arguments, **options))

    def close(self):
        self._do(self._page.close)

    def call(self, method, **parameters):
        """Send a command of the DevTools protocol, for what Playwright lacks."""
        self._do(self._call, method, parameters)

    async def _call(self, method, parameters):
        session = await self._page.context.new_cdp_session(self._page)
        await session.send(method, parameters)
        await session.detach()

    def open(self, url):
        self._do(self._page.goto, url)

    def prepare(self, script):
        """Run the JavaScript in each document that is opened from now on, before its own."""
        self._do(self._page.add_init_script, script)

    def include(self, path):
        """Run a file of JavaScript, as a script of the page."""
        self._do(self._page.add_script_tag, path=path)

    def js(self, expression, argument=None):
        """The value of a JavaScript expression, or of a function for the argument."""
        return self._do(self._page.evaluate, expression, argument)

    def wait(self, expression, seconds=30):
        """Wait until the JavaScript expression is true; returns its value."""
        try:
            # A document that is being replaced by another one answers with an error.
            return wait_for(
                lambda: self.js(LOOK % expression), seconds, ignored=(Error,), what=expression
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def text(self, selector="body"):
        return self.js("selector => document.querySelector(selector)?.innerText ?? ''", selector)

    def shows(self, text, selector="body", *, exactly=False):
        """Wait until the element has the text, or is nothing but it.

        What an action changes comes later on a busy machine: a test that reads once, loses.
        """
        shown = f"(document.querySelector({json.dumps(selector)})?.innerText ?? '')"
        wanted = json.dumps(text)
        self.wait(f"{shown} === {wanted}" if exactly else f"{shown}.includes({wanted})")

    def texts(self, selector):
        found = self._do(self._page.locator(selector).all_inner_texts)
        return [text.strip() for text in found]

    def click(self, selector):
        self._do(self._page.click, selector)

    def download(self, selector):
        """The name and the text of the file that a click fetches."""
        return self._do(self._download, selector)

    async def _download(self, selector):
        async with self._page.expect_download() as coming:
            await self._page.click(selector)
        file = await coming.value
        return file.suggested_filename, Path(await file.path()).read_text()

    def tab_of(self, selector):
        """The address and the HTML of the tab that a click opens."""
        return self._do(self._tab_of, selector)

    async def _tab_of(self, selector):
        async with self._page.context.expect_page() as coming:
            await self._page.click(selector)
        tab = await coming.value
        await tab.wait_for_load_state()
        found = tab.url, await tab.content()
        await tab.close()
        return found

    def type(self, text):
        """Type text into the focused element."""
        self._do(self._page.keyboard.type, text)

    def fill(self, name, text):
        """Replace the text of a field."""
        self._do(self._page.fill, f"#{name}", text)

    def choose(self, name, value):
        """Choose an option of a list."""
        self._do(self._page.select_option, f"#{name}", value)

    def attach(self, selector, path):
        """Choose a file in a field for files."""
        self._do(self._page.set_input_files, selector, path)

    def press(self, key):
        self._do(self._page.keyboard.press, key)

    def focused(self):
        """The id of the focused element, or its text."""
        return self.js("document.activeElement.id || document.activeElement.innerText")

    def scheme(self, name):
        """Set the colour scheme that the system prefers: light or dark."""
        self._do(self._page.emulate_media, color_scheme=name)

    def media(self, name):
        """Show the page as on a screen or in print."""
        self._do(self._page.emulate_media, media=name)

    def size(self, width, height):
        self._do(self._page.set_viewport_size, {"width": width, "height": height})

    def picture(self, path):
        """Write a PNG of the window."""
        self._do(self._page.screenshot, path=path)

    def pdf(self):
        """The printed page, on the paper that its style names."""
        return self._do(self._page.pdf, prefer_css_page_size=True)

    def frames(self):
        """The addresses that the page's frames have loaded."""
        return [frame.url for frame in self._page.main_frame.child_frames]

    def accessible(self):
        """(role, name) of every node that assistive technology is given."""
        tree = self._do(self._page.aria_snapshot)
        return re.findall(r"""^ *- '?(\w+)(?: "(.*?)")?""", tree, re.M)

    def axe(self, options):
        """The violations that axe-core finds."""
        return self._do(Axe().run, self._page, options=options).response["violations"]
