"""Reflex's settings; the environment set by run.py says where it listens."""

import os

import reflex as rx
from tasador_web.colours import Colours
from tasador_web.same_origin import BUILD_URL, SameOrigin

PORT = int(os.environ.get("TASADOR_WEB_PORT", "3000"))
# An empty list would allow every origin.
ORIGINS = (
    os.environ.get("TASADOR_WEB_ORIGINS") or f"http://127.0.0.1:{PORT},http://localhost:{PORT}"
)

config = rx.Config(
    app_name="tasador_web",
    app_module_import="tasador_web.app",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    # One process holds every visitor's state, so nothing is written to disk.
    state_manager_mode="memory",
    backend_host=os.environ.get("TASADOR_WEB_HOST", "127.0.0.1"),
    frontend_port=PORT,
    backend_port=PORT,
    api_url=BUILD_URL,
    # Pages of other sites must not talk to this server.
    cors_allowed_origins=ORIGINS.split(","),
    frontend_compression_formats=["brotli", "gzip"],
    plugins=[Colours(), SameOrigin()],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
