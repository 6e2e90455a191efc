import pytest

from arubeki.api import ips


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("10.9.8.7", ""),
        ("2001:db8::1", ""),
        ("010.9.8.7", "leading 0s"),
        ("::ffff:1.2.3.4", "IPv4-mapped"),
        ("fe80::1%eth0", "valid IP address"),
        ("1.2.3", "valid IP address"),
        ("1.2.3.256", "valid IP address"),
    ],
)
def test_an_address_of_an_old_field_is_read_leniently_and_judged_strictly(text, fault):
    found = ips.old_address(text)
    assert bool(found) == bool(fault)
    assert fault in "".join(found)


def test_an_address_of_a_new_field_is_canonical():
    assert ips.address("2001:db8::1") == []
    assert ips.address("2001:DB8::1") == ['must be in canonical form ("2001:db8::1")']


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("10.0.0.0/8", ""),
        ("0.0.0.0/0", ""),
        ("10.0.0.1/8", "bits set beyond"),
        ("010.0.0.0/8", "leading 0s"),
        ("10.0.0.0/08", "leading 0s"),
        ("::ffff:1.2.3.0/120", "IPv4-mapped"),
        ("10.0.0.0/33", "valid CIDR"),
        ("10.0.0.0", "valid CIDR"),
    ],
)
def test_a_network_is_judged(text, fault):
    found = ips.old_network(text)
    assert bool(found) == bool(fault)
    assert fault in "".join(found)


def test_odd_spellings_are_warned_of():
    assert ips.network_warnings("10.0.0.0/8", "p") == []
    assert "ambiguous" in ips.network_warnings("10.0.0.1/8", "p")[0]
    assert 'use "10.0.0.0/8"' in ips.network_warnings("010.0.0.0/8", "p")[0]
    assert "RFC 5952" in ips.network_warnings("2001:DB8::/32", "p")[0]
    assert 'use "1.2.3.4"' in ips.address_warnings("01.2.3.4", "p")[0]
