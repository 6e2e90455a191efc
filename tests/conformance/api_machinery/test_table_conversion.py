"""Tables of what has none.

Source: kubernetes test/e2e/apimachinery/table_conversion.go.
"""

from tests.conformance.kit import conformance

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@conformance(
    "[sig-api-machinery] Servers with support for Table transformation should return a 406 for a "
    "backend which does not implement metadata [Conformance]"
)
def test_what_has_no_metadata_is_not_acceptable_as_a_table(api):
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = api.send("POST", path, review, headers={"Accept": TABLE})
    assert answer.status == 406
    assert (answer.json["kind"], answer.json["code"]) == ("Status", 406)
    assert api.send("POST", path, review).status == 201, "it is the table that is refused"
