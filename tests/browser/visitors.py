"""Visitors of the web app without a browser: sessions that open a page and keep asking."""

import json
import threading
import time
from uuid import uuid4

import httpx
import websocket

STATES = "reflex___state____state.tasador_web___pages___"


class Visitor(threading.Thread):
    """One session as a page holds it: it opens a page, and then asks twice a second."""

    def __init__(self, web, number, until):
        super().__init__(daemon=True)
        self._web, self._number, self._until = web, number, until
        self.answers, self.problem = [], ""

    def run(self):
        try:
            self._visit()
        except (websocket.WebSocketException, httpx.HTTPError, OSError, ValueError) as error:
            self.problem = f"{type(error).__name__}: {error}"

    def _visit(self):
        url = self._web.replace("http", "ws", 1)
        socket = websocket.create_connection(
            f"{url}/_event/?token={uuid4()}&EIO=4&transport=websocket",
            origin=self._web,
            timeout=30,
        )
        socket.send("40/_event,")
        prices = self._number % 4 == 0
        name = "estimate_state____estimate_state" if prices else "models_state____models_state"
        path = "/" if prices else "/models"
        self._send(socket, f"{name}.load", path)
        self._answer(socket, '"loaded_rx_state_":true')
        http = httpx.Client(base_url=self._web, trust_env=False, timeout=30)
        while time.monotonic() < self._until:
            began = time.monotonic()
            if prices:
                size = str(1500 + (self._number + len(self.answers)) % 900)
                self._send(socket, f"{name}.estimate", path, form={"house_size": size, "bed": "3"})
                self._answer(socket, '"busy_rx_state_":false')
                self.answers.append(time.monotonic() - began)
            else:
                # Nothing has changed, so that the page sends no event.
                http.get("/news").raise_for_status()
                self.answers.append(time.monotonic() - began)
            time.sleep(max((5.0 if prices else 0.5) - (time.monotonic() - began), 0.0))
        http.close()
        socket.close()

    def _send(self, socket, handler, path, **payload):
        route = {"pathname": path, "asPath": path, "query": {}}
        event = {"name": f"{STATES}{handler}", "payload": payload, "router_data": route}
        socket.send(f"42/_event,{json.dumps(['event', event])}")

    def _answer(self, socket, text):
        """Wait for the update with the text, which ends what the event shows."""
        while text not in (message := socket.recv().replace(" ", "")):
            if message == "2":
                socket.send("3")


def many(web, process, count, seconds):
    """(delays, problems, MB before, MB at most) of so many visitors at once."""
    family = [process, *process.children(recursive=True)]

    def memory():
        return sum(p.memory_full_info().uss for p in family) / 1e6

    before, most = memory(), 0.0
    until = time.monotonic() + seconds
    visitors = [Visitor(web, number, until) for number in range(count)]
    for visitor in visitors:
        visitor.start()
        time.sleep(0.01)
    while any(v.is_alive() for v in visitors):
        most = max(most, memory())
        time.sleep(1)
    problems = [v.problem for v in visitors if v.problem]
    problems += ["no answer" for v in visitors if not v.answers and not v.problem]
    return [a for v in visitors for a in v.answers], problems, before, most
