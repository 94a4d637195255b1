"""A headless Chromium, driven over the DevTools protocol with real input events."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import websocket

from tests.kit.waiting import wait_for

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40}


def find():
    """The path of Chromium (CHROMIUM overrides the search), or None."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def browser(folder):
    """Run Chromium with its profile in ``folder``; yields a function that opens a page."""
    options = [
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "--window-size=1280,1000",
        "--no-first-run",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        # Chromium's own sandbox refuses to work for root.
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    with (Path(folder) / "chromium.log").open("w") as log:
        process = subprocess.Popen(
            [find(), *options, "about:blank"], stdout=log, stderr=log, start_new_session=True
        )
    try:
        port_file = Path(folder) / "DevToolsActivePort"

        def is_ready():
            assert process.poll() is None, "Chromium ended; chromium.log in its folder says why"
            return port_file.is_file() and "\n" in port_file.read_text()

        wait_for(is_ready, 30, what="Chromium")
        address = f"http://127.0.0.1:{port_file.read_text().splitlines()[0]}"
        yield lambda: Page(address)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Page:
    """One tab; ``requests`` are the URLs that it requested, ``errors`` those of its console."""

    def __init__(self, address):
        self.requests, self.errors = [], []
        with httpx.Client(base_url=address, trust_env=False) as client:
            target = client.put("/json/new?about:blank").json()
        self._socket = websocket.create_connection(
            target["webSocketDebuggerUrl"], suppress_origin=True, timeout=30
        )
        self._numbers = itertools.count(1)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        self.call("Page.close")
        self._socket.close()

    def call(self, method, **parameters):
        """Send a command of the protocol; returns its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, event, details):
        if event == "Network.requestWillBeSent":
            self.requests.append(details["request"]["url"])
        elif event == "Network.webSocketCreated":
            self.requests.append(details["url"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(details["exceptionDetails"])
        elif event == "Log.entryAdded" and details["entry"]["level"] == "error":
            self.errors.append(details["entry"])

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def js(self, expression):
        """The value of a JavaScript expression."""
        reply = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def wait(self, expression, seconds=30):
        """Wait until the JavaScript expression is true; returns its value."""
        # A new document has no element at first.
        value = f"document.body && (v => v instanceof Node || v)({expression})"
        try:
            return wait_for(lambda: self.js(value), seconds, what=expression)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def text(self, selector="body"):
        return self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def shows(self, text, selector="body", *, exactly=False):
        """Wait until the element has the text, or is nothing but it; returns all of its text.

        What an action changes comes later on a busy machine: a test that reads once, loses.
        """

        def shown():
            whole = self.text(selector)
            return (whole if whole == text else "") if exactly else text in whole and whole

        try:
            return wait_for(shown, 30, what=f"{text!r} in {selector}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()}") from None

    def texts(self, selector):
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return self.js(f"{elements}.map(e => e.innerText.trim())")

    def click(self, selector):
        """A real click in the middle of the element."""
        where = self.js(
            f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
                e.scrollIntoView({{block: "center"}});
                const b = e.getBoundingClientRect();
                return [b.x + b.width / 2, b.y + b.height / 2]; }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=where[0],
                y=where[1],
                button="left",
                clickCount=1,
            )

    def type(self, text):
        """Type text into the focused element."""
        self.call("Input.insertText", text=text)

    def fill(self, name, text):
        """Replace the text of a field."""
        self.js(f"document.getElementById('{name}').select()")
        self.js(f"document.getElementById('{name}').focus()")
        if text:
            self.type(text)
        else:
            self.press("Delete", 46)

    def choose(self, name, value):
        """Choose an option of a list."""
        self.js(
            f"""(() => {{ const e = document.getElementById('{name}');
                e.value = {json.dumps(value)};
                e.dispatchEvent(new Event("change", {{bubbles: true}})); }})()"""
        )

    def attach(self, selector, path):
        """Choose a file in a field for files."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def press(self, key, code=None):
        """Press a key."""
        code = code or _KEYS[key]
        more = {"text": "\r"} if key == "Enter" else {}
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def focused(self):
        """The id of the focused element, or its text."""
        return self.js("document.activeElement.id || document.activeElement.innerText")

    def scheme(self, name):
        """Set the colour scheme that the system prefers: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def size(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self, path, whole=True):
        """Write a PNG of the whole page or of the window."""
        image = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(image["data"]))

    def frames(self):
        """The addresses that the page's frames have loaded."""
        tree = self.call("Page.getFrameTree")["frameTree"]
        return [child["frame"]["url"] for child in tree.get("childFrames", [])]

    def accessible(self):
        """(role, name) of every node of the accessibility tree."""
        self.call("Accessibility.enable")
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node.get("role", {}).get("value", ""), node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored")
        ]
