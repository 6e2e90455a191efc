"""Which loopback addresses belong to whom."""

import os
import subprocess
import sys

import pytest

from arubeki.node.network import Block, NoAddressLeft, PodAddresses, claim
from arubeki.node.network import addresses as module

# Far from what clusters use, so that one that runs here is not disturbed; each of several test
# processes has its own.
FIRST = 180 + 4 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 18)
LAST = FIRST + 3

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127/8")


@linux
def test_two_claims_never_get_the_same_block() -> None:
    blocks = [claim(first=FIRST, last=LAST) for _ in range(LAST - FIRST + 1)]
    try:
        assert len({block.octet for block in blocks}) == len(blocks)
        assert not any(block.reason for block in blocks)
        none = claim(first=FIRST, last=LAST)
        assert "is taken" in none.reason
        assert none.cidr == "127.0.0.1/32"
    finally:
        for block in blocks:
            block.close()


@linux
def test_a_preferred_block_is_taken_if_it_is_free() -> None:
    first = claim(LAST, first=FIRST, last=LAST)
    second = claim(LAST, first=FIRST, last=LAST)
    assert first.octet == LAST
    assert second.octet != LAST
    first.close()
    third = claim(LAST, first=FIRST, last=LAST)
    assert third.octet == LAST
    second.close()
    third.close()


@linux
def test_a_claim_ends_with_the_process_that_made_it() -> None:
    code = (
        "from arubeki.node.network import claim\n"
        f"block = claim({LAST}, first={FIRST}, last={LAST})\n"
        "print(block.octet, flush=True)\n"
        "input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == f"{LAST}\n"
    mine = claim(LAST, first=FIRST, last=LAST)
    assert mine.octet != LAST
    mine.close()
    other.kill()
    other.wait()
    other.stdout.close()
    other.stdin.close()
    mine = claim(LAST, first=FIRST, last=LAST)
    assert mine.octet == LAST
    mine.close()


def test_where_there_is_one_address_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(module.socket.socket):  # type: ignore[name-defined]
        def bind(self, address: object) -> None:
            raise OSError(module.errno.EADDRNOTAVAIL, "Can't assign requested address")

    monkeypatch.setattr(module.socket, "socket", Refusing)
    block = claim()
    assert block.reason == "127.1.0.0/16 cannot be used: Can't assign requested address"
    pods = PodAddresses(block)
    assert pods.reason == block.reason
    assert pods.allocate("a") == pods.allocate("b") == block.first == "127.0.0.1"


def test_every_pod_gets_its_own_address() -> None:
    pods = PodAddresses(Block(5))
    assert Block(5).cidr == "127.5.0.0/16"
    assert pods.allocate("a") == "127.5.0.2"
    assert pods.allocate("b") == "127.5.0.3"
    assert pods.allocate("a") == "127.5.0.2"


def test_a_returned_address_is_not_given_to_the_next() -> None:
    pods = PodAddresses(Block(5))
    pods.allocate("a")
    pods.release("a")
    pods.release("unknown")
    assert pods.allocate("b") == "127.5.0.3"


def test_an_address_may_be_asked_for() -> None:
    pods = PodAddresses(Block(5))
    assert pods.allocate("a", "127.5.7.7") == "127.5.7.7"
    assert pods.allocate("b", "127.5.7.7") == "127.5.0.2"
    assert pods.allocate("c", "127.6.7.7") == "127.5.0.3"
    assert pods.allocate("d", "127.5.0.1") == "127.5.0.4"


def test_all_addresses_look_like_hosts_and_are_used_up_in_the_end() -> None:
    pods = PodAddresses(Block(5))
    seen = set()
    with pytest.raises(NoAddressLeft):
        for number in range(1 << 16):
            seen.add(pods.allocate(str(number)))
    assert len(seen) == 255 * 254 - 1
    assert not any(one.endswith((".0", ".255")) for one in seen)
    pods.release("7")
    assert pods.allocate("again") == "127.5.0.9"
