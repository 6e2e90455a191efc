"""The messages of etcd's API that a storage needs, and a small reader of their schema.

Protobuf's runtime makes message classes from descriptors; where those come from is open. Here they
are read from the schema's own language, of which a few words suffice, so there is no compiler to
run and no generated file to keep. Fields that are not used are left out: protobuf skips what it
does not know. Enumerations are declared as `int32`, which is the same on the wire.

On the ring: inside storage, at its edge. Source: etcd, api/etcdserverpb/rpc.proto, mvccpb/kv.proto.
"""

import re
from collections.abc import Iterator
from typing import Any

PACKAGE = "etcdserverpb"

SCHEMA = """
message ResponseHeader { int64 revision = 3; }
message KeyValue {
  bytes key = 1; int64 create_revision = 2; int64 mod_revision = 3; bytes value = 5;
}
message Event { int32 type = 1; KeyValue kv = 2; }

message RangeRequest {
  bytes key = 1; bytes range_end = 2; int64 limit = 3; int64 revision = 4;
  bool keys_only = 8; bool count_only = 9;
}
message RangeResponse {
  ResponseHeader header = 1; repeated KeyValue kvs = 2; bool more = 3; int64 count = 4;
}
message PutRequest { bytes key = 1; bytes value = 2; }
message PutResponse { ResponseHeader header = 1; }
message DeleteRangeRequest { bytes key = 1; }
message DeleteRangeResponse { ResponseHeader header = 1; int64 deleted = 2; }

message Compare {
  int32 result = 1; int32 target = 2; bytes key = 3;
  oneof target_union { int64 version = 4; int64 mod_revision = 6; }
}
message RequestOp {
  oneof request {
    RangeRequest request_range = 1; PutRequest request_put = 2;
    DeleteRangeRequest request_delete_range = 3;
  }
}
message ResponseOp {
  oneof response {
    RangeResponse response_range = 1; PutResponse response_put = 2;
    DeleteRangeResponse response_delete_range = 3;
  }
}
message TxnRequest {
  repeated Compare compare = 1; repeated RequestOp success = 2; repeated RequestOp failure = 3;
}
message TxnResponse {
  ResponseHeader header = 1; bool succeeded = 2; repeated ResponseOp responses = 3;
}

message CompactionRequest { int64 revision = 1; }
message CompactionResponse { ResponseHeader header = 1; }

message WatchCreateRequest { bytes key = 1; bytes range_end = 2; int64 start_revision = 3; }
message WatchRequest { oneof request_union { WatchCreateRequest create_request = 1; } }
message WatchResponse {
  ResponseHeader header = 1; bool created = 3; bool canceled = 4; int64 compact_revision = 5;
  string cancel_reason = 6; repeated Event events = 11;
}
"""

EQUAL, GREATER = 0, 1  # Compare.result
VERSION, MOD_REVISION = 0, 2  # Compare.target
DELETE = 1  # Event.type

# FieldDescriptorProto.Type
_SCALARS = {"int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12}
_MESSAGE = 11
_OPTIONAL, _REPEATED = 1, 3


class Messages:
    """The message classes of `SCHEMA`, each an attribute under its name."""

    def __init__(self) -> None:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

        # A pool of its own: another package in this process may bring etcd's messages as well.
        pool = descriptor_pool.DescriptorPool()
        described = descriptor_pb2.FileDescriptorProto(
            name="arubeki/etcd.proto", package=PACKAGE, syntax="proto3"
        )
        words = iter(re.findall(r"\w+|[{}=;]", SCHEMA))
        for word in words:
            assert word == "message", word
            _read_message(described.message_type.add(name=next(words)), words)
        pool.Add(described)
        for message in described.message_type:
            found = pool.FindMessageTypeByName(f"{PACKAGE}.{message.name}")
            setattr(self, message.name, message_factory.GetMessageClass(found))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the schema has no message {name}")


def _read_message(message: Any, words: Iterator[str]) -> None:
    """Read `{ fields }` into a DescriptorProto."""
    assert next(words) == "{"
    oneof: int | None = None
    while (word := next(words)) != "}" or oneof is not None:
        if word == "}":
            oneof = None
        elif word == "oneof":
            oneof = len(message.oneof_decl)
            message.oneof_decl.add(name=next(words))
            assert next(words) == "{"
        else:
            field = _read_field(message, word, words)
            if oneof is not None:
                field.oneof_index = oneof


def _read_field(message: Any, word: str, words: Iterator[str]) -> Any:
    """Read `[repeated] type name = number;`, of which `word` is the first."""
    repeated = word == "repeated"
    kind = next(words) if repeated else word
    name, equals, number, end = (next(words) for _ in range(4))
    assert (equals, end) == ("=", ";"), name
    field = message.field.add(name=name, number=int(number))
    field.label = _REPEATED if repeated else _OPTIONAL
    field.type = _SCALARS.get(kind, _MESSAGE)
    if field.type == _MESSAGE:
        field.type_name = f".{PACKAGE}.{kind}"
    return field
