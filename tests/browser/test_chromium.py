"""The driver of the browser: what a page must not do is noticed, and other tests are left alone."""

import asyncio

import pytest

from tests.browser import chromium
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)
FAULTS = """<!doctype html><title>Faults</title><img src="http://image.invalid/"><script>
new WebSocket("ws://socket.invalid/");
fetch("http://fetch.invalid/").catch(() => 0);
console.error("reported");
setTimeout(() => { throw new Error("thrown"); });
Promise.reject(new Error("rejected"));
</script>"""


def test_requests_and_errors_of_a_page_are_noticed(tab, tmp_path):
    (tmp_path / "page.html").write_text(FAULTS)
    page = tab()
    page.open((tmp_path / "page.html").as_uri())
    addresses = {"http://image.invalid/", "ws://socket.invalid/", "http://fetch.invalid/"}
    wait_for(lambda: addresses <= set(page.requests))
    for text in ("reported", "Error: thrown", "Error: rejected", "ERR_NAME_NOT_RESOLVED"):
        wait_for(lambda text=text: any(text in error for error in page.errors), what=text)
    page.close()


def test_other_tests_can_run_an_event_loop_while_a_browser_runs(tab):
    page = tab()
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"
    page.close()
