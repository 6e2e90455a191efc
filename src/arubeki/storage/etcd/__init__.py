"""A real etcd as the truth: for several servers, or when one machine is not enough."""

from arubeki.storage.etcd.client import Tls, parse_endpoints
from arubeki.storage.etcd.storage import EtcdStorage

__all__ = ["EtcdStorage", "Tls", "parse_endpoints"]
