"""An empty function: the least that parliament can do for a request."""

ANSWER = ('{"price":250000.0}', 200, {"content-type": "application/json"})


def main(_context):
    """parliament's entry."""
    return ANSWER
