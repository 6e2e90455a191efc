"""What the public face looks like to editors and type checkers; `__init__.py` loads it lazily."""

from arubeki.check.local import LocalCluster as LocalCluster
from arubeki.client.client import Client as Client
from arubeki.cluster import Cluster as Cluster
from arubeki.errors import ApiError as ApiError
from arubeki.errors import ArubekiError as ArubekiError
from arubeki.errors import CheckFailed as CheckFailed
from arubeki.errors import ConfigError as ConfigError
from arubeki.errors import Conflict as Conflict
from arubeki.errors import NotFound as NotFound
from arubeki.errors import Terminal as Terminal
from arubeki.errors import TransportError as TransportError
from arubeki.kinds.base import Dynamic as Dynamic
from arubeki.kinds.base import Model as Model
from arubeki.kinds.base import Resource as Resource
from arubeki.kinds.crd import Conditions as Conditions
from arubeki.kinds.crd import crd as crd
from arubeki.kinds.crd import field as field
from arubeki.kinds.crd import manifest as manifest
from arubeki.runtime.app import App as App
from arubeki.runtime.context import Context as Context
from arubeki.runtime.controller import Lookup as Lookup
from arubeki.runtime.manager import Manager as Manager
from arubeki.runtime.results import Again as Again
from arubeki.runtime.results import Request as Request

__all__: list[str]
__version__: str
