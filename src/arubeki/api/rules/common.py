"""Rules that many kinds share.

Pure: no I/O, no clock.
Source: apimachinery pkg/api/validation, pkg/apis/meta/v1/validation, kubernetes
pkg/apis/core/validation/validation.go.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from arubeki.api import names, quantity
from arubeki.api.fields import FieldError

Faults = list[FieldError]

IMMUTABLE = "field is immutable"
NOT_POSITIVE = "must be greater than zero"
NOT_NEGATIVE = "must be greater than or equal to 0"
PROTOCOLS = ("SCTP", "TCP", "UDP")
INT32_MAX = 2147483647
INGRESS_CLASS = "kubernetes.io/ingress.class"
"""The annotation that once named the class of an Ingress."""
_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_is_path = re.compile(_PATH).fullmatch


def not_negative(obj: Mapping[str, Any], fields: Iterable[str], path: str, faults: Faults) -> None:
    """The numbers among `fields` must not be below zero."""
    for name in fields:
        value = obj.get(name)
        if value is not None and value < 0:
            place = f"{path}.{name}" if path else name
            faults.append(FieldError.invalid(place, value, NOT_NEGATIVE))


def unchanged(new: Any, old: Any, path: str, faults: Faults) -> None:
    """The value must be what it was."""
    if new != old:
        faults.append(FieldError.invalid(path, new, IMMUTABLE))


def named(
    value: str, path: str, faults: Faults, rule: Callable[[str], list[str]] = names.dns_label
) -> None:
    """The text must be a name of the given sort."""
    for message in rule(value):
        faults.append(FieldError.invalid(path, value, message))


def one_of(value: Any, words: Sequence[str], path: str, faults: Faults) -> None:
    """The value must be there and one of the words."""
    if not value:
        faults.append(FieldError.required(path))
    elif value not in words:
        faults.append(FieldError.not_supported(path, value, words))


def port_or_name(value: Any, path: str, faults: Faults) -> None:
    """A port is a number or the name of a container's port."""
    messages = names.port_name(value) if isinstance(value, str) else names.port_number(value)
    faults.extend(FieldError.invalid(path, value, message) for message in messages)


def port_number(value: int, path: str, faults: Faults) -> None:
    """A port must be within 1 and 65535."""
    for message in names.port_number(value):
        faults.append(FieldError.invalid(path, value, message))


def no_backsteps(text: str, path: str, faults: Faults) -> None:
    """A path must not go up."""
    if ".." in text and ".." in text.split("/"):
        faults.append(FieldError.invalid(path, text, "must not contain '..'"))


def descending_path(text: str, path: str, faults: Faults) -> None:
    """A path must stay below where it starts."""
    if text.startswith("/"):
        faults.append(FieldError.invalid(path, text, "must be a relative path"))
    no_backsteps(text, path, faults)


def file_path(text: str, path: str, faults: Faults) -> None:
    """A path must stay below where it starts, and not begin as names that are reserved do."""
    descending_path(text, path, faults)
    if text.startswith("..") and not text.startswith("../"):
        faults.append(FieldError.invalid(path, text, "must not start with '..'"))


def user_number(value: int, path: str, faults: Faults) -> None:
    """A user or group must be one that a process can have."""
    if not 0 <= value <= INT32_MAX:
        fault = f"must be between 0 and {INT32_MAX}, inclusive"
        faults.append(FieldError.invalid(path, value, fault))


def not_negative_amount(value: str, path: str, faults: Faults) -> None:
    """An amount of something must not be below zero."""
    if (whole := quantity.whole(value)) < 0:
        faults.append(FieldError.invalid(path, whole, "must be a valid resource quantity"))


def positive_amount(value: str, path: str, faults: Faults) -> None:
    """An amount of something must be above zero."""
    if quantity.compare(value, "0") <= 0:
        faults.append(FieldError.invalid(path, quantity.canonical(value), NOT_POSITIVE))


def annotations(found: Mapping[str, str] | None, path: str, faults: Faults) -> None:
    """Keys must be annotation keys, and all together not too large."""
    if not found:
        return
    for key in found:
        named(key, path, faults, names.annotation_key)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in found.items())
    if size > names.ANNOTATIONS_MAX_BYTES:
        faults.append(FieldError.too_long(path, names.ANNOTATIONS_MAX_BYTES))


def labels(found: Mapping[str, str] | None, path: str, faults: Faults) -> None:
    """Keys and values must be label keys and values; the path is the map's, not the key's."""
    for key, value in (found or {}).items():
        named(key, path, faults, names.label_key)
        named(value, path, faults, names.label_value)


def selector(found: Mapping[str, Any], path: str, faults: Faults, *, values: bool = True) -> None:
    """A label selector must be well-formed; its expressions' values too if `values` says so."""
    labels(found.get("matchLabels"), f"{path}.matchLabels", faults)
    for index, one in enumerate(found.get("matchExpressions", ())):
        place = f"{path}.matchExpressions[{index}]"
        given = one.get("values", ())
        if one.get("operator") in ("In", "NotIn"):
            if not given:
                needed = "must be specified when `operator` is 'In' or 'NotIn'"
                faults.append(FieldError.required(f"{place}.values", needed))
        elif one.get("operator") in ("Exists", "DoesNotExist"):
            if given:
                unwanted = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                faults.append(FieldError.forbidden(f"{place}.values", unwanted))
        else:
            wrong = "not a valid selector operator"
            operator = one.get("operator", "")
            faults.append(FieldError.invalid(f"{place}.operator", operator, wrong))
        named(one.get("key", ""), f"{place}.key", faults, names.label_key)
        for at, value in enumerate(given if values else ()):
            named(value, f"{place}.values[{at}]", faults, names.label_value)


def ip_fault(text: str) -> str:
    """Return why a text is no IP address, "" when it is one."""
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    return ""


def endpoint_ip(text: str, path: str, faults: Faults) -> None:
    """An endpoint's address must be one, of this link at most.

    Knowingly not Kubernetes' rule: it refuses loopback addresses, which are what Pods have here.
    """
    import ipaddress

    if fault := ip_fault(text):
        faults.append(FieldError.invalid(path, text, fault))
        return
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        faults.append(FieldError.invalid(path, text, f"may not be unspecified ({text})"))
    if address.is_link_local:
        local = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
        faults.append(FieldError.invalid(path, text, local))
    if text.startswith(("224.0.0.", "ff02:", "FF02:")):
        cast = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        faults.append(FieldError.invalid(path, text, cast))


def segment(value: str, path: str, faults: Faults, needed: str = "") -> None:
    """The text must be there, and be such that it can be a segment of a path."""
    if value:
        named(value, path, faults, names.path_segment)
    else:
        faults.append(FieldError.required(path, needed))


def declared_segment(value: str, path: str, faults: Faults) -> None:
    """As `segment`, where a declared rule demands the text."""
    if value:
        named(value, path, faults, names.path_segment)
    else:
        faults.append(FieldError.required(path).declared())


def declared_label(value: str, path: str, faults: Faults) -> None:
    """The text must be a DNS label, says a declared rule: it counts bytes, and says so."""
    for message in names.dns_label(value):
        message = message.replace("characters", "bytes") if "no more" in message else message
        faults.append(FieldError.invalid(path, value, message).declared())


def amount_not_negative(value: Any, path: str, faults: Faults) -> None:
    """The quantity must not be below zero."""
    if quantity.compare(value, "0") < 0:
        faults.append(FieldError.invalid(path, value, NOT_NEGATIVE))


def int_or_percent(value: int | str, path: str, faults: Faults) -> None:
    """The value must be a number that is not negative, or a percentage."""
    if isinstance(value, str):
        named(value, path, faults, names.percent)
    elif value < 0:
        faults.append(FieldError.invalid(path, value, NOT_NEGATIVE))


def at_most_all(value: int | str, path: str, faults: Faults) -> None:
    """A percentage must not be above 100%."""
    if isinstance(value, str) and not names.percent(value) and number_of(value) > 100:
        faults.append(FieldError.invalid(path, value, "must not be greater than 100%"))


def number_of(value: int | str) -> int:
    """Return a number, or that before a percent sign; 0 for a text that is neither."""
    if isinstance(value, int):
        return value
    digits = value.removesuffix("%")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0


def kept(new: Any, old: Any, path: str, faults: Faults) -> None:
    """The value must be what it was, says a declared rule: it does not show it."""
    if new != old:
        faults.append(FieldError.invalid(path, None, IMMUTABLE).declared())


def lenient_selector(
    found: Mapping[str, Any], old: Mapping[str, Any] | None, path: str, faults: Faults
) -> None:
    """As `selector`; but where the old one was wrong already, values may be."""
    selector(found, path, faults, values=old is None or not _is_wrong(old))


def _is_wrong(found: Mapping[str, Any]) -> bool:
    faults: Faults = []
    selector(found, "", faults)
    return bool(faults)


def domain_prefixed_path(text: str, path: str, faults: Faults) -> None:
    """The text must be `example.com/foo`."""
    host, _, rest = text.partition("/")
    if not text:
        faults.append(FieldError.required(path))
    elif not host or not rest:
        fault = 'must be a domain-prefixed path (such as "acme.io/foo")'
        faults.append(FieldError.invalid(path, text, fault))
    else:
        named(host, path, faults, names.dns_subdomain)
        if not _is_path(rest):
            fault = f"Invalid path (regex used for validation is '{_PATH}')"
            faults.append(FieldError.invalid(path, rest, fault))
