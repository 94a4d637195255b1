"""A headless Chromium, driven over its DevTools protocol: no driver, no framework, real events."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40}


def find():
    """The browser of this machine (CHROMIUM names another), or None."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def browser(folder):
    """Run Chromium with its profile in ``folder``; yields what opens a page."""
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
        told = Path(folder) / "DevToolsActivePort"
        deadline = time.monotonic() + 30
        while not (told.is_file() and "\n" in told.read_text()):
            assert process.poll() is None, "Chromium ended; chromium.log in its folder says why"
            assert time.monotonic() < deadline, "Chromium does not get ready"
            time.sleep(0.05)
        address = f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
        yield lambda: Page(address)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Page:
    """One tab. ``requests`` are the addresses that it asked for, ``complaints`` its errors."""

    def __init__(self, address):
        self.requests, self.complaints = [], []
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
        """One command; its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv())
            if told.get("id") == number:
                assert "error" not in told, f"{method}: {told['error']}"
                return told["result"]
            self._note(told.get("method"), told.get("params", {}))

    def _note(self, event, about):
        if event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event == "Network.webSocketCreated":
            self.requests.append(about["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"])
        elif event == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.complaints.append(about["entry"])

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def js(self, expression):
        """The value of a JavaScript expression."""
        told = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, expression, seconds=30):
        """Wait until the expression is true; its value."""
        deadline = time.monotonic() + seconds
        expression = f"(v => v instanceof Node || v)({expression})"
        while not (value := self.js(expression)):
            assert time.monotonic() < deadline, f"not in {seconds} s: {expression}\n{self.text()}"
            time.sleep(0.05)
        return value

    def text(self, selector="body"):
        return self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def texts(self, selector):
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return self.js(f"{found}.map(e => e.innerText.trim())")

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
        """Text into whatever has the focus."""
        self.call("Input.insertText", text=text)

    def fill(self, name, text):
        """Text into a field in place of what is there."""
        self.js(f"document.getElementById('{name}').select()")
        self.js(f"document.getElementById('{name}').focus()")
        if text:
            self.type(text)
        else:
            self.press("Delete", 46)

    def choose(self, name, value):
        """An option of a list."""
        self.js(
            f"""(() => {{ const e = document.getElementById('{name}');
                e.value = {json.dumps(value)};
                e.dispatchEvent(new Event("change", {{bubbles: true}})); }})()"""
        )

    def press(self, key, code=None):
        """One key."""
        code = code or _KEYS[key]
        more = {"text": "\r"} if key == "Enter" else {}
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def focused(self):
        """The id of what has the focus, or the text of it."""
        return self.js("document.activeElement.id || document.activeElement.innerText")

    def scheme(self, name):
        """What the system prefers: light or dark."""
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
        """A PNG of the whole page, or of the window."""
        told = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(told["data"]))

    def accessible(self):
        """(role, name) of everything that assistive technology is told of."""
        self.call("Accessibility.enable")
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node.get("role", {}).get("value", ""), node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored")
        ]
