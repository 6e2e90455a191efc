"""Big bodies in batches."""

import hypothesis.strategies as st
from hypothesis import given

from arubeki.net.http1.body import (
    PLAIN_BATCH_BYTES,
    TLS_BATCH_BYTES,
    Batch,
    plain_batches,
    tls_batches,
)

sizes = st.lists(st.sampled_from([0, 1, 1_000, 65_535, 65_536, 300_000, 600_000]), max_size=12)


def joined(batch: Batch) -> bytes:
    return b"".join(batch) if isinstance(batch, list) else bytes(batch)


@given(sizes)
def test_nothing_is_lost_and_no_batch_is_too_big(parts: list[int]) -> None:
    body = [bytes([index]) * size for index, size in enumerate(parts)]
    whole = b"head" + b"".join(body)
    plain = [joined(batch) for batch in plain_batches(b"head", body)]
    tls = [joined(batch) for batch in tls_batches(b"head", body)]
    assert b"".join(plain) == b"".join(tls) == whole
    assert all(len(batch) < 2 * PLAIN_BATCH_BYTES + 4 for batch in plain)
    assert all(len(batch) < 2 * TLS_BATCH_BYTES + 4 for batch in tls)
    assert all(plain)
    assert all(tls)


def test_the_parts_of_a_list_are_not_copied_for_a_plain_socket() -> None:
    body = [b"x" * 1_000 for _ in range(1_000)]
    (first, *_) = plain_batches(b"head", body)
    assert isinstance(first, list)
    assert first[1] is body[0]


def test_a_long_part_is_cut_into_views() -> None:
    body = b"x" * 1_000_000
    batches = list(plain_batches(b"head", body))
    assert all(isinstance(piece, bytes | memoryview) for batch in batches for piece in batch)
    views = [piece for batch in batches for piece in batch if isinstance(piece, memoryview)]
    assert views
    assert all(view.obj is body for view in views)
