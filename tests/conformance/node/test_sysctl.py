"""Sysctls that no kernel has.

Source: kubernetes test/e2e/common/node/sysctl.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, named
from tests.conformance.kit.workloads import pod_spec

SYSCTLS = {"foo-": "bar", "kernel.shmmax": "1", "safe-and-unsafe": "1", "bar..": "42"}


@conformance(
    "[sig-node] Sysctls [LinuxOnly] should reject invalid sysctls [Conformance] [NodeConformance]"
)
def test_only_the_invalid_sysctls_are_named(api, namespace):
    sysctls = [{"name": name, "value": value} for name, value in SYSCTLS.items()]
    pods = api.of("v1", "Pod", namespace)
    with pytest.raises(Refused) as refused:
        pods.create(named("pod", spec=pod_spec(securityContext={"sysctls": sysctls})))
    message = refused.value.message
    assert 'Invalid value: "foo-"' in message and 'Invalid value: "bar.."' in message
    assert "safe-and-unsafe" not in message and "kernel.shmmax" not in message
    assert pods.is_gone("pod")
