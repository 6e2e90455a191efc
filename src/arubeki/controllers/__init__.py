"""Kubernetes' own controllers, one lesson per file; read `replicaset` first.

Each is an ordinary user of `arubeki.runtime`: it watches through informers, reconciles keys, and
writes through the same client as everybody, under a name of its own. None knows another.

On the ring: [informer > workqueue > **reconcile** > client].
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from arubeki.net import requests
from arubeki.net.tls import Pair
from arubeki.runtime.controller import Controller


def built_in(
    *,
    node_grace_seconds: float = 50.0,
    authority: Pair | None = None,
    issue_token: Callable[[str, str, str, str], Awaitable[str]] | None = None,
) -> list[Controller[Any]]:
    """Return fresh controllers, ready for a manager.

    `node_grace_seconds`: how long a node may be silent before it counts as lost. `authority` is the
    cluster's, which signs for users and is published; a cluster without a port has none.
    `issue_token` makes the tokens that lie in Secrets (see `account_tokens`).
    """
    from arubeki.controllers import (
        account_tokens,
        certificates,
        deployment,
        disruption,
        endpoints,
        endpointslice,
        garbage,
        mirroring,
        namespace,
        node_lifecycle,
        pod_garbage,
        replicaset,
        resourcequota,
        root_ca,
        serviceaccount,
        taint_eviction,
    )

    found: list[Controller[Any]] = [
        namespace.controller(),
        serviceaccount.controller(),
        deployment.controller(),
        replicaset.controller(),
        endpointslice.controller(),
        endpoints.controller(),
        mirroring.controller(),
        garbage.controller(),
        node_lifecycle.controller(node_grace_seconds),
        taint_eviction.controller(),
        pod_garbage.controller(),
        disruption.controller(),
        disruption.stale_mark_controller(),
        resourcequota.controller(),
    ]
    if authority is not None:
        found.append(certificates.controller(functools.partial(requests.issue, authority)))
        found.append(root_ca.controller(authority.certificate))
        if issue_token is not None:
            found.append(account_tokens.controller(issue_token, authority.certificate))
    return found
