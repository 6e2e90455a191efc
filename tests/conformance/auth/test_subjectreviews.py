"""What the server says that somebody may, and what it lets them.

Source: kubernetes test/e2e/auth/subjectreviews.go.
"""

from tests.conformance.kit import conformance, named

GROUP = "authorization.k8s.io/v1"


@conformance("[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]")
def test_reviews_say_what_requests_find(api, namespace):
    account = api.of("v1", "ServiceAccount", namespace).create(named("e2e"))
    user, uid = f"system:serviceaccount:{namespace}:e2e", account["metadata"]["uid"]
    groups = [
        "system:authenticated",
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
    ]
    asked = {
        "resourceAttributes": {
            "verb": "list",
            "resource": "configmaps",
            "namespace": namespace,
            "version": "v1",
        },
        "user": user,
        "groups": groups,
        "uid": uid,
    }
    review = api.of(GROUP, "SubjectAccessReview").create({"spec": asked})
    said = review["status"]["allowed"]

    # One header a group, so that this request is put together by hand.
    path = api.of("v1", "ConfigMap", namespace).path()
    status = status_for(api, path, user, uid, groups)
    assert status in (200, 403)
    assert said == (status == 200)

    local = {"metadata": {"namespace": namespace}, "spec": asked}
    review = api.of(GROUP, "LocalSubjectAccessReview", namespace).create(local)
    assert review["status"]["allowed"] == (status == 200)


def status_for(api, path, user, uid, groups):
    """Return the status of a GET on behalf of somebody."""
    connection = api.connect()
    try:
        connection.putrequest("GET", path)
        for key, value in (
            *api.headers.items(),
            ("Impersonate-User", user),
            ("Impersonate-Uid", uid),
            *(("Impersonate-Group", group) for group in groups),
        ):
            connection.putheader(key, value)
        connection.endheaders()
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
