"""Kubernetes' Pod Security Standard "restricted" (and with it "baseline"), rule by rule.

https://kubernetes.io/docs/concepts/security/pod-security-standards/, as of Kubernetes 1.32, for
Linux pods.
"""

_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret"),
}
_SECCOMP = {"RuntimeDefault", "Localhost"}
_SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ping_group_range"),
    *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time"),
    *("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"),
}
_SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(spec):
    """What the profile refuses in a pod's spec, as sentences; empty if it accepts the pod."""
    pod = spec.get("securityContext") or {}
    found = [f"{name} is true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    for volume in spec.get("volumes") or []:
        kinds = set(volume) - {"name"}
        found += [f"volume {volume['name']} is a {kind}" for kind in sorted(kinds - _VOLUMES)]
    for sysctl in pod.get("sysctls") or []:
        if sysctl["name"] not in _SYSCTLS:
            found.append(f"sysctl {sysctl['name']}")
    found += _of_either("pod", pod)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or []:
            found += _of_container(container, pod)
    return found


def _of_container(container, pod):
    name, context = container["name"], container.get("securityContext") or {}
    found = _of_either(name, context)
    if context.get("privileged"):
        found.append(f"{name} is privileged")
    if context.get("procMount") not in (None, "Default"):
        found.append(f"{name} has procMount {context['procMount']}")
    if context.get("allowPrivilegeEscalation") is not False:
        found.append(f"{name} does not refuse privilege escalation")
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        found.append(f"{name} keeps capabilities")
    if extra := set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        found.append(f"{name} adds {', '.join(sorted(extra))}")
    if context.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        found.append(f"{name} may run as root")
    seccomp = context.get("seccompProfile") or pod.get("seccompProfile") or {}
    if seccomp.get("type") not in _SECCOMP:
        found.append(f"{name} has no seccomp profile")
    if any(port.get("hostPort") for port in container.get("ports") or []):
        found.append(f"{name} has a port of the host")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        action = container.get(probe) or {}
        if any((action.get(k) or {}).get("host") for k in ("httpGet", "tcpSocket")):
            found.append(f"{name} probes another host")
    return found


def _of_either(name, context):
    """The rules that hold for the context of a pod and of a container alike."""
    found = []
    if context.get("runAsUser") == 0:
        found.append(f"{name} runs as user 0")
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        found.append(f"{name} is a host process")
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in _SECCOMP:
        found.append(f"{name} is unconfined by seccomp")
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        found.append(f"{name} is unconfined by AppArmor")
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in _SELINUX or selinux.get("user") or selinux.get("role"):
        found.append(f"{name} sets SELinux options")
    return found
