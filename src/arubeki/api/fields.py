"""What is wrong with a field, in Kubernetes' words.

Validation collects `FieldError`s, all of them, and turns them into one `Invalid` at the end.

Pure: no I/O, no clock.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from arubeki.errors import Invalid

_CONTROL = re.compile(r"(?<!\\)((?:\\\\)*)\\u00([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault. `reason` is the cause's reason on the wire, `body` the message without the path.

    Source: apimachinery pkg/util/validation/field/errors.go.
    """

    path: str
    reason: str
    body: str
    is_declared: bool = False
    """Whether Kubernetes finds it by a rule declared at the type: such are told after all others.

    Source: apiserver pkg/registry/rest/validate.go, KEP-5073.
    """

    def declared(self) -> "FieldError":
        """Return the same fault, found by a declared rule."""
        return replace(self, is_declared=True)

    @property
    def message(self) -> str:
        """`spec.replicas: Invalid value: -1: must be greater than or equal to 0`."""
        return f"{self.path}: {self.body}" if self.path else self.body

    @staticmethod
    def invalid(path: str, value: Any, detail: str) -> "FieldError":
        """The value is malformed or against a rule."""
        return FieldError(path, "FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}")

    @staticmethod
    def invalid_omitted(path: str, detail: str) -> "FieldError":
        """The value, which is not shown, is malformed or against a rule."""
        return FieldError(path, "FieldValueInvalid", f"Invalid value: {detail}")

    @staticmethod
    def type_invalid(path: str, value: Any, detail: str) -> "FieldError":
        """The value is of the wrong type."""
        return FieldError(path, "FieldValueTypeInvalid", f"Invalid value: {shown(value)}: {detail}")

    @staticmethod
    def required(path: str, detail: str = "") -> "FieldError":
        """The value is missing."""
        return FieldError(path, "FieldValueRequired", _joined("Required value", detail))

    @staticmethod
    def duplicate(path: str, value: Any) -> "FieldError":
        """The value must be there once."""
        return FieldError(path, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")

    @staticmethod
    def forbidden(path: str, detail: str) -> "FieldError":
        """The value may not be there, or may not change."""
        return FieldError(path, "FieldValueForbidden", _joined("Forbidden", detail))

    @staticmethod
    def not_found(path: str, value: Any) -> "FieldError":
        """The value names something that is not there."""
        return FieldError(path, "FieldValueNotFound", f"Not found: {shown(value)}")

    @staticmethod
    def not_supported(path: str, value: Any, supported: Sequence[str]) -> "FieldError":
        """The value is none of those known."""
        body = f"Unsupported value: {shown(value)}"
        if supported:
            body += ": supported values: " + ", ".join(f'"{one}"' for one in supported)
        return FieldError(path, "FieldValueNotSupported", body)

    @staticmethod
    def too_long(path: str, limit: int) -> "FieldError":
        """The text, or the sum of texts, is over its limit in bytes."""
        return FieldError(
            path, "FieldValueTooLong", f"Too long: may not be more than {_count(limit, 'byte')}"
        )

    @staticmethod
    def too_long_text(path: str, limit: int) -> "FieldError":
        """The text is over its limit in characters."""
        return FieldError(
            path,
            "FieldValueTooLong",
            f"Too long: may not be more than {_count(limit, 'character')}",
        )

    @staticmethod
    def too_many(path: str, actual: int, limit: int) -> "FieldError":
        """The list has too many items."""
        return FieldError(
            path,
            "FieldValueTooMany",
            f"Too many: {actual}: must have at most {_count(limit, 'item')}",
        )


def invalid(group: str, kind: str, name: str, faults: Sequence[FieldError]) -> Invalid:
    """Return the one error that names all `faults` of an object, those of declared rules last.

    Source: apimachinery pkg/api/errors/errors.go NewInvalid, pkg/util/errors aggregate.
    """
    faults = sorted(faults, key=lambda fault: fault.is_declared)
    messages = list(dict.fromkeys(fault.message for fault in faults))
    listed = messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"
    qualified = f"{kind}.{group}" if group else kind
    causes = [
        {"reason": fault.reason, "message": fault.body, "field": fault.path} for fault in faults
    ]
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind, "causes": causes}
    return Invalid(
        f'{qualified} "{name}" is invalid: {listed}',
        details={key: value for key, value in details.items() if value},
    )


def distinct(faults: Iterable[FieldError]) -> list[FieldError]:
    """Return the faults without those that say again what one has said.

    So Kubernetes does for the kinds that have declared rules. Source: apimachinery
    pkg/util/validation/field/errors.go ErrorList.Filter.
    """
    return list({(fault.message, fault.is_declared): fault for fault in faults}.values())


def shown(value: Any) -> str:
    """Return a value as error messages show it: text quoted, structures as JSON."""
    if isinstance(value, float):
        return _shown_float(value)
    text = msgspec.json.encode(value).decode()
    # Go escapes bytes that cannot be printed as \x01, not as \u0001.
    if isinstance(value, str) and "\\u00" in text:
        text = _CONTROL.sub(r"\1\\x\2", text)
    return text


def go_text(value: Any) -> str:
    """Return a parsed JSON value as Go's %v prints it: `map[a:1 b:[x y]]`."""
    if isinstance(value, dict):
        members = [f"{name}:{go_text(value[name])}" for name in sorted(value)]
        return f"map[{' '.join(members)}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    if value is None:
        return "<nil>"
    return value if isinstance(value, str) else shown(value)


def _shown_float(value: float) -> str:
    """Return a float64 as Go's %v prints it: 1.5, 3, 1e+06."""
    text = repr(value)
    mantissa, _, power = text.partition("e")
    if not power:
        whole, _, fraction = text.removeprefix("-").partition(".")
        if len(whole) <= 6:
            return text.removesuffix(".0")
        digits = (whole + fraction.removesuffix("0")).rstrip("0")
        power = str(len(whole) - 1)
        mantissa = ("-" if value < 0 else "") + digits[0] + "." + digits[1:]
    sign = "-" if power.startswith("-") else "+"
    mantissa = mantissa.removesuffix(".0").removesuffix(".")
    return f"{mantissa}e{sign}{power.lstrip('+-').rjust(2, '0')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _joined(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head
