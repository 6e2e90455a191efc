"""What is served, described for programs: OpenAPI v3 by group and version, OpenAPI v2 in one piece.

The idea: `routes` says as data which operations there are, `builtins` and `custom` what the kinds
look like, `documents` puts both together piece by piece, in the form of version 3 or, through
`version2`, of version 2; `gnostic` turns a piece into protobuf. `service` answers requests with it.

On the ring: [HTTP > **server**]. Source: KEP-2896, kube-openapi pkg/{builder3,builder,handler3}.
"""

from arubeki.server.openapi.service import OpenApi

__all__ = ["OpenApi"]
