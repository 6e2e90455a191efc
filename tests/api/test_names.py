import pytest

from arubeki.api import names

# Source of the texts: apimachinery pkg/util/validation/validation.go, v0.34.
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used"
    " for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    " for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    " '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
DNS1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an"
    " alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123',"
    " regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("rule", "text", "faults"),
    [
        (names.dns_label, "web-1", []),
        (names.dns_label, "a" * 63, []),
        (names.dns_label, "a" * 64, ["must be no more than 63 characters"]),
        (names.dns_label, "a.b", ["must not contain dots"]),
        (names.dns_label, "", [LABEL]),
        (names.dns_label, "Web", [LABEL]),
        (names.dns_label, "web\n", [LABEL]),
        (names.dns_subdomain, "a.b-c.d", []),
        (names.dns_subdomain, "a..b", [SUBDOMAIN]),
        (names.dns_subdomain, "a" * 254, ["must be no more than 253 characters"]),
        (names.dns1035_label, "a1", []),
        (names.dns1035_label, "1a", [DNS1035]),
        (names.qualified_name, "example.com/Some.Name", []),
        (names.qualified_name, "/x", ["prefix part must be non-empty"]),
        (names.qualified_name, "x/", ["name part must be non-empty", NAME_PART]),
        (names.qualified_name, "A/x", [f"prefix part {SUBDOMAIN}"]),
        (names.label_key, "-a", [NAME_PART]),
        (names.label_key, "a" * 64, ["name part must be no more than 63 bytes"]),
        (names.annotation_key, "EXAMPLE.com/x", []),
        (names.label_value, "", []),
        (names.label_value, "a/b", [LABEL_VALUE]),
        (names.label_value, "é", [LABEL_VALUE]),
        (names.path_segment, "system:node", []),
        (names.path_segment, "..", ["may not be '..'"]),
        (names.path_segment, "a/%", ["may not contain '/'", "may not contain '%'"]),
        (names.port_name, "http-2", []),
        (names.port_name, "80", ["must contain at least one letter (a-z)"]),
        (
            names.port_name,
            "-Ab--",
            [
                "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                "must not contain consecutive hyphens",
                "must not begin or end with a hyphen",
            ],
        ),
        (names.port_number, 65535, []),
        (names.port_number, 0, ["must be between 1 and 65535, inclusive"]),
        (names.env_name, "1 2", []),
        (names.env_name, "", ["environment variable name must be non-empty"]),
        (names.config_key, "a_b-c.d", []),
        (names.config_key, "..", ["must not be '..'"]),
        (names.config_key, "..x", ["must not start with '..'"]),
        (names.percent, "25%", []),
        (names.header_name, "X-Y", []),
        (names.c_identifier, "_a1", []),
        (names.dns_wildcard, "*.example.com", []),
    ],
)
def test_a_name_is_judged_in_kubernetes_words(rule, text, faults):
    assert rule(text) == faults


@pytest.mark.parametrize(
    "rule",
    [
        names.env_name_strict,
        names.header_name,
        names.percent,
        names.c_identifier,
        names.dns_wildcard,
        names.config_key,
    ],
)
def test_a_malformed_name_is_shown_an_example_and_the_pattern(rule):
    (fault,) = rule("% %")
    assert "(e.g. '" in fault
    assert "regex used for validation is '" in fault


def test_three_parts_are_no_qualified_name():
    (fault,) = names.qualified_name("a/b/c")
    assert fault.startswith("a valid label key must consist of")
    assert fault.endswith(
        "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    )


def test_a_printable_ascii_name_without_equals_is_an_environment_variable():
    words = "must consist only of printable ASCII characters other than '='"
    assert words in names.env_name("a=b")[0]
    assert words in names.env_name("ä")[0]
    assert words in names.env_name("a\tb")[0]


def test_a_generate_name_may_end_in_a_hyphen():
    assert names.dns_label(names.prefix_as_name("web-")) == []
    assert names.dns_label(names.prefix_as_name("-")) == [LABEL]
    assert names.prefix_as_name("web") == "web"
