"""An empty function: the minimal cost of a request to parliament."""

ANSWER = ('{"price":250000.0}', 200, {"content-type": "application/json"})


def main(_context: object) -> tuple[str, int, dict[str, str]]:
    """parliament's entry."""
    return ANSWER
