"""IP addresses and networks as text: what Kubernetes takes for one, and what it says of the rest.

Old fields once took more than is good (leading zeros, IPv4 within IPv6); they are parsed with a
lenient eye, and strictly judged. New fields take the canonical form alone.

Pure: no I/O, no clock.
Source: apimachinery pkg/util/validation/ip.go, k8s.io/utils/internal/third_party/forked/golang/net.
"""

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NOT_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NOT_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_OCTETS = re.compile(r"(?:(.*):)?(\d{1,8})\.(\d{1,8})\.(\d{1,8})\.(\d{1,8})", re.ASCII)
_LENGTH = re.compile(r"\d{1,8}", re.ASCII)


def parse(text: str) -> Address | None:
    """Return an address, read leniently; None for what is none."""
    plain = _without_zeros(text)
    try:
        found = ipaddress.ip_address(plain)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return None
        return found.ipv4_mapped or found
    return found


def parse_network(text: str) -> tuple[Address, Network] | None:
    """Return the address and the network of a CIDR, read leniently; None for what is none."""
    address, slash, length = text.partition("/")
    found = parse(address)
    if not slash or found is None or not _LENGTH.fullmatch(length):
        return None
    bits = int(length)
    if ":" in address and isinstance(found, ipaddress.IPv4Address):
        # IPv4 within IPv6 keeps the long prefix; what is shorter than the frame is not IPv4 any more.
        whole = ipaddress.IPv6Address(_without_zeros(address))
        if bits > 128:
            return None
        if bits < 96:
            return whole, ipaddress.IPv6Network((whole, bits), strict=False)
        bits -= 96
    if bits > found.max_prefixlen:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return found, ipaddress.IPv4Network((found, bits), strict=False)
    return found, ipaddress.IPv6Network((found, bits), strict=False)


def old_address(text: str) -> list[str]:
    """An address in a field that once took more. Returns what is wrong."""
    if parse(text) is None:
        return [_NOT_IP]
    if _without_zeros(text) != text:
        return ["must not have leading 0s"]
    return ["must not be an IPv4-mapped IPv6 address"] if _is_mapped(text) else []


def address(text: str) -> list[str]:
    """An address in its canonical form. Returns what is wrong."""
    if faults := old_address(text):
        return faults
    canonical = str(parse(text))
    return [] if text == canonical else [f'must be in canonical form ("{canonical}")']


def old_network(text: str) -> list[str]:
    """A CIDR in a field that once took more. Returns what is wrong."""
    found = parse_network(text)
    if found is None:
        return [_NOT_CIDR]
    inside, _, length = text.partition("/")
    if _without_zeros(inside) != inside or (length != "0" and length.startswith("0")):
        return ["must not have leading 0s in IP or prefix length"]
    if _is_mapped(inside):
        return ["must not have an IPv4-mapped IPv6 address"]
    if found[0] != found[1].network_address:
        return ["must not have bits set beyond the prefix length"]
    return []


def network(text: str) -> list[str]:
    """A CIDR in its canonical form. Returns what is wrong."""
    if faults := old_network(text):
        return faults
    found = parse_network(text)
    canonical = str(found[1]) if found else ""
    return [] if text == canonical else [f'must be in canonical form ("{canonical}")']


def family(text: str) -> int:
    """Return 4 or 6 for a CIDR, 0 for what is none."""
    found = parse_network(text)
    return found[1].version if found else 0


def address_warnings(text: str, path: str) -> list[str]:
    """Return what to warn of in an address that is valid, or was when it was stored."""
    found = parse(text)
    if found is None:
        return []
    if _without_zeros(text) != text or _is_mapped(text):
        return [f'{path}: non-standard IP address "{text}" is invalid: use "{found}"']
    if found.version == 6 and str(found) != text:
        return [f'{path}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{found}")']
    return []


def network_warnings(text: str, path: str) -> list[str]:
    """Return what to warn of in a CIDR that is valid, or was when it was stored."""
    found = parse_network(text)
    if found is None:
        return []
    inside, whole = found
    warnings = []
    if inside != whole.network_address:
        single = f"{inside}/{inside.max_prefixlen}"
        warnings.append(
            f'{path}: CIDR value "{text}" is ambiguous in this context '
            f'(should be "{whole}" or "{single}"?)'
        )
    written, _, length = text.partition("/")
    zeros = _without_zeros(written) != written or (length != "0" and length.startswith("0"))
    if zeros or _is_mapped(written):
        warnings.append(f'{path}: non-standard CIDR value "{text}" is invalid: use "{whole}"')
    if not warnings and whole.version == 6 and f"{inside}/{length}" != text:
        canonical = f"{inside}/{length}"
        warnings.append(
            f'{path}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format '
            f'("{canonical}")'
        )
    return warnings


def _without_zeros(text: str) -> str:
    """Return an address whose decimal octets have lost their leading zeros."""
    found = _OCTETS.fullmatch(text)
    if found is None:
        return text
    head = "" if found[1] is None else f"{found[1]}:"
    return head + ".".join(str(int(part)) for part in found.groups()[1:])


def _is_mapped(text: str) -> bool:
    return ":" in text and isinstance(parse(text), ipaddress.IPv4Address)
