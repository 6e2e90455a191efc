"""Request bodies in Kubernetes' protobuf, decoded to the JSON they stand for.

Pure: no I/O, no clock.
"""

from arubeki.api.protobuf.messages import MAGIC, decode, decode_message, is_envelope

__all__ = ["MAGIC", "decode", "decode_message", "is_envelope"]
