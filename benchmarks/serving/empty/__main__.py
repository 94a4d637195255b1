"""``python -m parliament FOLDER``, on PORT of this machine alone instead of 0.0.0.0:8080."""

import os
from pathlib import Path

from parliament import server
from waitress import serve

serve(
    server.create(server.load(str(Path(__file__).parent))),
    host="127.0.0.1",
    port=int(os.environ["PORT"]),
)
