"""Whether NetworkPolicies let a connection pass, as Kubernetes defines it (networking.k8s.io/v1).

A connection needs the egress of its source and the ingress of its destination. A pod that no policy
of a direction selects is open in that direction; else one rule of one policy must match.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pod:
    """A pod. ``namespace`` is empty for a machine outside the cluster or the API server."""

    name: str
    labels: dict = field(default_factory=dict, hash=False)
    namespace: str = "tasador"


def passes(policies, source, destination, port, protocol="TCP"):
    """Whether ``source`` may connect to a port of ``destination``."""
    return _allowed(policies, "Egress", source, destination, port, protocol) and _allowed(
        policies, "Ingress", destination, source, port, protocol
    )


def _allowed(policies, direction, subject, peer, port, protocol):
    selecting = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == subject.namespace
        and direction in _types(policy["spec"])
        and selects(policy["spec"]["podSelector"], subject.labels)
    ]
    if not subject.namespace or not selecting:
        return True
    peers = "to" if direction == "Egress" else "from"
    return any(
        _is_peer(rule.get(peers), peer, subject.namespace) and _is_port(rule, port, protocol)
        for spec in selecting
        for rule in spec.get(direction.lower()) or []
    )


def _types(spec):
    default = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return spec.get("policyTypes") or default


def _is_peer(entries, peer, namespace):
    return not entries or any(_matches(entry, peer, namespace) for entry in entries)


def _matches(entry, peer, namespace):
    if "ipBlock" in entry:
        raise NotImplementedError("no policy names addresses")
    if not peer.namespace:
        return False
    if "namespaceSelector" in entry:
        labels = {"kubernetes.io/metadata.name": peer.namespace}
        if not selects(entry["namespaceSelector"], labels):
            return False
    elif peer.namespace != namespace:
        return False
    return selects(entry.get("podSelector", {}), peer.labels)


def _is_port(rule, port, protocol):
    ports = rule.get("ports")
    return not ports or any(
        entry.get("protocol", "TCP") == protocol
        and ("port" not in entry or entry["port"] <= port <= entry.get("endPort", entry["port"]))
        for entry in ports
    )


def selects(selector, labels):
    """Whether a label selector matches; an empty one matches everything."""
    wanted = selector.get("matchLabels", {})
    return wanted.items() <= labels.items() and all(
        _expression(e["key"], e["operator"], e.get("values", []), labels)
        for e in selector.get("matchExpressions", [])
    )


def _expression(key, operator, values, labels):
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(operator)
