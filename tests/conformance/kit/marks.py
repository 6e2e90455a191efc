"""The official name of a test, and what keeps it from passing."""

import pytest


def conformance(name):
    """Say which official test a function is the port of: its exact name, `[sig-…] … [Conformance]`."""

    def mark(function):
        function.conformance = name
        return pytest.mark.conformance(name)(function)

    return mark


def not_yet(reason):
    """Say what the server lacks for a test to pass. The day it passes, the run fails: unmark it."""

    def mark(function):
        function.not_yet = reason
        return pytest.mark.xfail(reason=reason, strict=True)(function)

    return mark
