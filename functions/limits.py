"""The limits of a request: sizes in bytes, times in seconds. All of them are in this module."""

from __future__ import annotations

MEGABYTE = 1_000_000

# One listing, one event of a function that replies to it. Encoded bodies are limited decoded.
BODY_BYTES = MEGABYTE
# A batch of listings, a batch of events, a dead letter: the longest body that any route accepts.
MAX_BODY_BYTES = 8 * MEGABYTE
# A longer body is read and discarded up to this, so that its sender gets a 413 and not a broken
# pipe.
MAX_READ_BYTES = 32 * MEGABYTE
# All bodies held at the same time; small ones are not counted.
MAX_HELD_BYTES = 64 * MEGABYTE
SMALL_BODY_BYTES = 64_000
# {"version": N} of POST /reload.
RELOAD_BODY_BYTES = 10_000
# The request line and all headers.
MAX_HEADER_BYTES = 262_144
# From a request's first byte to its last.
ARRIVAL_SECONDS = 30.0

MAX_CONNECTIONS = 500
# Idle connections are closed to keep room for this many new ones.
SPARE_CONNECTIONS = 50
# Between two requests of a connection.
IDLE_SECONDS = 75.0
# Between two parts of an answer that its client takes.
TAKING_SECONDS = 30.0
# Answers that wait for a client to take them: no further request of its is answered beyond.
MAX_UNSENT_BYTES = 16 * MEGABYTE
# While the server ends, a connection without a request is closed after this: one may be on its way.
LAST_REQUEST_SECONDS = 0.25
# Bytes read from a connection at a time: a batch of 10,000 arrives in a few pieces.
READ_BYTES = 131_072
# The longest body that the reading thread parses itself.
MAX_INLINE_BYTES = 16_384
# Pipelined requests that the reading thread answers in a row. It leaves more to a worker: meanwhile
# no other connection is read, and what a client does not receive would fill its buffer and block.
MAX_INLINE_RUN = 16

# Listings in one request.
MAX_ROWS = 10_000
# Predictions on one page of the history.
PAGE_ROWS, MAX_PAGE_ROWS = 50, 500
# Rows of an answer about the histories: default, most.
HISTORY_ROWS, MAX_HISTORY_ROWS = 100, 1_000
# The fields that an error names.
MAX_ERRORS = 100
