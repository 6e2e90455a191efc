"""What the tests of a cluster share: questions over HTTPS, Pods, what a process holds."""

import asyncio
import os
from pathlib import Path

from arubeki.api.objects import Kind
from arubeki.cluster import Cluster, Options
from arubeki.net import tls

SERVICE = Kind("", "v1", "Service", "services")
POD = Kind("", "v1", "Pod", "pods")
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")


async def ask(cluster, path, *, pair=None, token="", method="GET", body=b"", authority=None):
    """Send one HTTPS request; return (status, body)."""
    trusted = authority or cluster._identity.authority.certificate
    context = tls.client_context(trusted, pair)
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.port, ssl=context)
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    if token:
        head += f"authorization: Bearer {token}\r\n"
    try:
        writer.write(head.encode() + b"\r\n" + body)
        answer = await reader.read()
    finally:
        writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        content = b"".join(content.split(b"\r\n")[1::2])
    return int(head.split()[1]), content


def fake(**options):
    return Cluster(Options(**{"runtime": "fake", "port": 0, **options}))


def pod(name, command, **spec):
    container = {"name": "c", "image": "none", "command": command}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container | spec.pop("container", {})], **spec},
    }


async def running(client, name):
    """Wait until a Pod is Ready, and return it."""
    async with asyncio.timeout(30):
        while True:
            found = await client.get(POD, name, "default")
            conditions = found.get("status", {}).get("conditions") or ()
            if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
                return found
            await asyncio.sleep(0.02)


def descriptors():
    """Return what this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(entry))
        except OSError:
            continue  # it was for the listing itself
    return sorted(one.partition(":")[0] for one in found)


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


# It begins and ends.
