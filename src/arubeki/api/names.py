"""What may be a name: of an object, a label, a port, a key.

Each function returns what is wrong with a text in Kubernetes' own words, an empty list when nothing
is. The caller puts the messages under a field path. Lengths are in bytes, as Go counts them. Nearly
every text is right, so the rules that a Pod meets dozens of times first ask for just that; what one
of their patterns matches is ASCII, as many bytes as characters.

Pure: no I/O, no clock.
"""

import re

LABEL_MAX_BYTES = 63
"""The longest DNS label, label value and name part of a label key."""
SUBDOMAIN_MAX_BYTES = 253
"""The longest DNS subdomain, which is the longest name of most objects."""
ANNOTATIONS_MAX_BYTES = 256 * 1024
"""All annotations of an object together. Source: apimachinery pkg/api/validation/objectmeta.go."""

_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = f"{_LABEL}(\\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_ENV = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"
_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"

_is_qualified = re.compile(f"({_SUBDOMAIN}/)?{_NAME_PART}").fullmatch
_is_name_part = re.compile(_NAME_PART).fullmatch
_is_label_value = re.compile(f"({_NAME_PART})?").fullmatch
_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_wildcard = re.compile(f"\\*\\.{_SUBDOMAIN}").fullmatch
_is_dns1035 = re.compile(_DNS1035).fullmatch
_is_env = re.compile(_ENV).fullmatch
_is_key = re.compile(_KEY).fullmatch
_is_header = re.compile(_HEADER).fullmatch
_is_percent = re.compile(_PERCENT).fullmatch
_is_identifier = re.compile(_IDENTIFIER).fullmatch
_is_reason = re.compile(_REASON).fullmatch
_is_port_charset = re.compile("[-a-z0-9]+").fullmatch
_has_letter = re.compile("[a-z]").search

_CHARACTERS = (
    "must consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character"
)


def qualified_name(text: str) -> list[str]:
    """`example.com/MyName` or `MyName`: label and annotation keys, finalizers, taints.

    Source: apimachinery pkg/util/validation/validation.go IsQualifiedName.
    """
    if len(text) <= LABEL_MAX_BYTES and _is_qualified(text):
        return []
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return [
            f"a valid label key {_regex(_CHARACTERS, _NAME_PART, 'MyName', 'my.name', '123-abc')}"
            " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    faults = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    elif slash:
        if _bytes(prefix) > SUBDOMAIN_MAX_BYTES:
            faults.append(f"prefix part {_too_many_bytes(SUBDOMAIN_MAX_BYTES)}")
        if not _is_subdomain(prefix):
            faults.append(f"prefix part {dns_subdomain(prefix)[-1]}")
    if not name:
        faults.append("name part must be non-empty")
    elif _bytes(name) > LABEL_MAX_BYTES:
        faults.append(f"name part {_too_many_bytes(LABEL_MAX_BYTES)}")
    if not _is_name_part(name):
        faults.append(
            f"name part {_regex(_CHARACTERS, _NAME_PART, 'MyName', 'my.name', '123-abc')}"
        )
    return faults


def label_key(text: str) -> list[str]:
    """The key of a label. Source: as `qualified_name`."""
    return qualified_name(text)


def annotation_key(text: str) -> list[str]:
    """The key of an annotation: a qualified name whatever its case.

    Source: apimachinery pkg/api/validation/objectmeta.go ValidateAnnotations.
    """
    return qualified_name(text.lower())


def label_value(text: str) -> list[str]:
    """The value of a label. Source: apimachinery validation.go IsValidLabelValue."""
    if len(text) <= LABEL_MAX_BYTES and _is_label_value(text):
        return []
    faults = []
    if _bytes(text) > LABEL_MAX_BYTES:
        faults.append(_too_many_bytes(LABEL_MAX_BYTES))
    if not _is_label_value(text):
        faults.append(
            _regex(
                f"a valid label must be an empty string or {_CHARACTERS.removeprefix('must ')}",
                f"({_NAME_PART})?",
                "MyValue",
                "my_value",
                "12345",
            )
        )
    return faults


def dns_label(text: str) -> list[str]:
    """`my-name`: names of namespaces. Source: apimachinery validation.go IsDNS1123Label."""
    if len(text) <= LABEL_MAX_BYTES and _is_label(text):
        return []
    faults = []
    if _bytes(text) > LABEL_MAX_BYTES:
        faults.append(_too_long(LABEL_MAX_BYTES))
    if not _is_label(text):
        faults.append(
            "must not contain dots"
            if _is_subdomain(text)
            else _regex(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters"
                " or '-', and must start and end with an alphanumeric character",
                _LABEL,
                "my-name",
                "123-abc",
            )
        )
    return faults


def dns_subdomain(text: str) -> list[str]:
    """`my-name.example`: names of most objects. Source: validation.go IsDNS1123Subdomain."""
    if len(text) <= SUBDOMAIN_MAX_BYTES and _is_subdomain(text):
        return []
    faults = []
    if _bytes(text) > SUBDOMAIN_MAX_BYTES:
        faults.append(_too_long(SUBDOMAIN_MAX_BYTES))
    if not _is_subdomain(text):
        faults.append(
            _regex(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters,"
                " '-' or '.', and must start and end with an alphanumeric character",
                _SUBDOMAIN,
                "example.com",
            )
        )
    return faults


def dns_subdomain_caseless(text: str) -> list[str]:
    """`Example.com`: as `dns_subdomain`, in any case. Source: content/dns.go."""
    faults = []
    if _bytes(text) > SUBDOMAIN_MAX_BYTES:
        faults.append(f"must be no more than {SUBDOMAIN_MAX_BYTES} bytes")
    if not _is_subdomain(text.lower()):
        faults.append(
            _regex(
                "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and"
                " must start and end with an alphanumeric character",
                _SUBDOMAIN,
                "Example.com",
            )
        )
    return faults


def dns_wildcard(text: str) -> list[str]:
    """`*.example.com`: hosts of an Ingress. Source: validation.go IsWildcardDNS1123Subdomain."""
    faults = []
    if _bytes(text) > SUBDOMAIN_MAX_BYTES:
        faults.append(_too_long(SUBDOMAIN_MAX_BYTES))
    if not _is_wildcard(text):
        faults.append(
            _regex(
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS"
                " subdomain, which must consist of lower case alphanumeric characters, '-' or '.'"
                " and end with an alphanumeric character",
                f"\\*\\.{_SUBDOMAIN}",
                "*.example.com",
            )
        )
    return faults


def dns1035_label(text: str) -> list[str]:
    """`my-name`, beginning with a letter: names of Services. Source: IsDNS1035Label."""
    faults = []
    if _bytes(text) > LABEL_MAX_BYTES:
        faults.append(_too_long(LABEL_MAX_BYTES))
    if not _is_dns1035(text):
        faults.append(
            _regex(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start"
                " with an alphabetic character, and end with an alphanumeric character",
                _DNS1035,
                "my-name",
                "abc-123",
            )
        )
    return faults


def path_segment(text: str) -> list[str]:
    """A name that can be one segment of a URL's path: names of RBAC objects and some others.

    Source: apimachinery pkg/api/validation/path/name.go IsValidPathSegmentName.
    """
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in text]


def port_name(text: str) -> list[str]:
    """The name of a port. Source: apimachinery validation.go IsValidPortName."""
    faults = []
    if _bytes(text) > 15:
        faults.append(_too_long(15))
    if not _is_port_charset(text):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _has_letter(text):
        faults.append("must contain at least one letter (a-z)")
    if "--" in text:
        faults.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def port_number(number: int) -> list[str]:
    """A port, 1 to 65535. Source: apimachinery validation.go IsValidPortNum."""
    return [] if 1 <= number <= 65535 else ["must be between 1 and 65535, inclusive"]


def env_name(text: str) -> list[str]:
    """The name of an environment variable: printable ASCII without `=`.

    Source: apimachinery validation.go IsRelaxedEnvVarName, the default since 1.34.
    """
    if _is_env(text):
        return []
    faults = [] if text else ["environment variable name must be non-empty"]
    if not text.isascii() or not text.isprintable() or "=" in text:
        faults.append(
            "a valid environment variable name must consist only of printable ASCII characters"
            " other than '='"
        )
    return faults


def env_name_strict(text: str) -> list[str]:
    """The name of an environment variable where the relaxed rule does not hold (envFrom's prefix).

    Source: apimachinery validation.go IsEnvVarName.
    """
    faults = []
    if not _is_env(text):
        faults.append(
            _regex(
                "a valid environment variable name must consist of alphabetic characters, digits,"
                " '_', '-', or '.', and must not start with a digit",
                _ENV,
                "my.env-name",
                "MY_ENV.NAME",
                "MyEnvName1",
            )
        )
    return faults + _dots(text)


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap's or Secret's data. Source: validation.go IsConfigMapKey."""
    faults = []
    if _bytes(text) > SUBDOMAIN_MAX_BYTES:
        faults.append(_too_long(SUBDOMAIN_MAX_BYTES))
    if not _is_key(text):
        faults.append(
            _regex(
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                _KEY,
                "key.name",
                "KEY_NAME",
                "key-name",
            )
        )
    return faults + _dots(text)


def header_name(text: str) -> list[str]:
    """The name of an HTTP header in a probe. Source: validation.go IsHTTPHeaderName."""
    if _is_header(text):
        return []
    message = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [_regex(message, _HEADER, "X-Header-Name")]


def percent(text: str) -> list[str]:
    """`25%`. Source: apimachinery validation.go IsValidPercent."""
    if _is_percent(text):
        return []
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [_regex(message, _PERCENT, "1%", "93%")]


def c_identifier(text: str) -> list[str]:
    """`MY_NAME`. Source: apimachinery validation.go IsCIdentifier."""
    if _is_identifier(text):
        return []
    message = (
        "a valid C identifier must start with alphabetic character or '_',"
        " followed by a string of alphanumeric characters or '_'"
    )
    return [_regex(message, _IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def condition_reason(text: str) -> list[str]:
    """The reason of a condition. Source: apimachinery pkg/apis/meta/v1/validation."""
    if _is_reason(text):
        return []
    message = (
        "a condition reason must start with alphabetic character, optionally followed by a string"
        " of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'"
    )
    examples = ("my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB")
    return [_regex(message, _REASON, *examples)]


def prefix_as_name(text: str) -> str:
    """Return a `generateName` as a name to be judged: a suffix follows, so it may end in `-`.

    Source: apimachinery pkg/api/validation/generic.go maskTrailingDash.
    """
    return f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def _too_many_bytes(limit: int) -> str:
    """What newer rules of Kubernetes (apimachinery pkg/api/validate/content) say of the same."""
    return f"must be no more than {limit} bytes"


def _regex(message: str, pattern: str, *examples: str) -> str:
    # The comma before "or" is Kubernetes', not a slip of ours.
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def _dots(text: str) -> list[str]:
    if text in (".", ".."):
        return [f"must not be '{text}'"]
    return ["must not start with '..'"] if text.startswith("..") else []
