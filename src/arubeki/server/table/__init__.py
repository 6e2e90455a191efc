"""Objects as rows: what `kubectl get` shows.

A client that asks for `as=Table` gets the columns of the kind and one row per object, so that kubectl
need not know the kind. Most built-in kinds have columns of their own, by what they are about
(`core`, `pods`, `workloads`, `networks`, `volumes`, `devices`, `policies`); custom resources those of
their CustomResourceDefinition (`custom`); every other kind its name and when it was created.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go,
apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from arubeki.server.table.render import Table

__all__ = ["Table"]
