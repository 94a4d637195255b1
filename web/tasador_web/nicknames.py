"""What people call cities. No Reflex."""

from __future__ import annotations

# By the letters of a nickname, the cities that it may mean with their states.
NICKNAMES = {
    "dc": [("Washington", "District of Columbia")],
    "indy": [("Indianapolis", "Indiana")],
    "jax": [("Jacksonville", "Florida")],
    "la": [("Los Angeles", "California")],
    "nola": [("New Orleans", "Louisiana")],
    "nyc": [("New York City", "New York"), ("New York", "New York")],
    "okc": [("Oklahoma City", "Oklahoma")],
    "philly": [("Philadelphia", "Pennsylvania")],
    "sf": [("San Francisco", "California")],
    "slc": [("Salt Lake City", "Utah")],
    "vegas": [("Las Vegas", "Nevada")],
}
