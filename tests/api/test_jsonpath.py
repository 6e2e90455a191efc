import pytest

from arubeki.api.jsonpath import Path

OBJECT = {
    "spec": {"replicas": 2, "names": ["a", "b", "c"], "a.b/c": "dotted", "zero": 0},
    "status": {
        "conditions": [
            {"type": "Ready", "status": "True", "count": 3},
            {"type": "Available", "status": "False", "count": 1, "reason": "x"},
        ]
    },
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.replicas", [2]),
        ("spec.replicas", [2]),
        ("{.spec.replicas}", [2]),
        ("$.spec.replicas", [2]),
        (".spec.zero", [0]),
        (".spec.absent.deeper", []),
        (".spec.names[0]", ["a"]),
        (".spec.names[-1]", ["c"]),
        (".spec.names[9]", []),
        (".spec.names[0:2]", ["a", "b"]),
        (".spec.names[*]", ["a", "b", "c"]),
        (".spec.names[0,2]", ["a", "c"]),
        (".spec['a.b/c']", ["dotted"]),
        (r".spec.a\.b/c", ["dotted"]),
        ("['spec']['replicas']", [2]),
        (".spec['replicas','zero']", [2, 0]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Available')].status", ["False"]),
        (".status.conditions[?(@.type != 'Ready')].type", ["Available"]),
        (".status.conditions[?(@.count > 2)].type", ["Ready"]),
        (".status.conditions[?(@.count <= 1)].type", ["Available"]),
        (".status.conditions[?(@.reason)].type", ["Available"]),
        (".status.conditions[*].type", ["Ready", "Available"]),
        ("..type", ["Ready", "Available"]),
        (".spec.replicas.deeper", []),
    ],
)
def test_a_path_leads_where_it_says(path: str, found: list[object]) -> None:
    assert Path(path).find(OBJECT) == found


@pytest.mark.parametrize(
    "path", [".a[", ".a[x]", ".a[?(x)]", ".a..", ".a[?(@.b == c)]", "a b", "." * 5000]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Path(path)


def test_true_is_not_one() -> None:
    assert Path("[?(@.a == 1)]").find([{"a": True}, {"a": 1}]) == [{"a": 1}]
