"""The cluster's context in a kubeconfig: put in when it is ready, taken out when it ends.

What crashed clusters left is taken out too, and it counts as left when nobody answers there who can
prove to be that cluster: a port may have a new owner by now, even ourselves.

Outside the ring: [you > **cli** > client].
"""

import base64
import binascii
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from arubeki.client import config, kubeconfig
from arubeki.errors import ConfigError
from arubeki.net import tls

NAME = "arubeki"
_ANSWER_SECONDS = 2.0


def chosen_file(named: str | None) -> Path:
    """Return the kubeconfig to write to: the named one, else kubectl's choice.

    Raises: ConfigError when it is there and is no kubeconfig.
    """
    path = Path(named).expanduser() if named else config.writable_path()
    if path.exists():
        config.read(path)
    return path


@contextlib.contextmanager
def merged(path: Path, url: str, cluster: dict[str, Any], user: dict[str, Any]) -> Iterator[str]:
    """Keep a context for the server at `url` in a kubeconfig, and give its name.

    A file or folder that was made for it goes with it. Raises: ConfigError.
    """
    made_folder = not path.parent.exists()
    for name, one in kubeconfig.marked(path).items():
        if is_stale(one, url):
            kubeconfig.remove_context(path, name)
    others = [f"{NAME}-{urlsplit(url).port}", *(f"{NAME}-{count}" for count in range(2, 100))]
    name = kubeconfig.merge_context(path, NAME, cluster=cluster, user=user, others=others)
    try:
        yield name
    finally:
        kubeconfig.remove_context(path, name)
        if made_folder:
            with contextlib.suppress(OSError):  # something else has come to lie there
                path.parent.rmdir()


def is_stale(cluster: dict[str, Any], own_url: str = "") -> bool:
    """Whether the server that an entry of `clusters` leads to is gone.

    Whoever answers must show a certificate of the entry's authority. One that does not answer in
    time may be stopped or busy: it is left alone.
    """
    url = str(cluster.get("server") or "")
    place = urlsplit(url)
    if url == own_url:
        return True  # we are the ones who listen there, and have written no context yet
    try:
        authority = base64.b64decode(cluster.get("certificate-authority-data") or "")
        context = tls.client_context(authority)
        with (
            socket.create_connection((place.hostname, place.port), _ANSWER_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=place.hostname),
        ):
            return False
    except TimeoutError:
        return False
    except (OSError, ValueError, ssl.SSLError, binascii.Error, ConfigError):
        return True
