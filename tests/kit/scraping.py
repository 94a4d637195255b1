"""Metrics as Prometheus gets them."""

import httpx


def targets(gateway):
    """The function processes of a gateway, by HTTP service discovery."""
    return httpx.get(f"{gateway.rstrip('/')}/_metrics/targets", trust_env=False).json()


def scraped(gateway, function):
    """The metrics of every process of a function behind a gateway."""
    return "".join(
        httpx.get(f"http://{address}/metrics", trust_env=False).raise_for_status().text
        for each in targets(gateway)
        if each["labels"]["function"] == function
        for address in each["targets"]
    )
