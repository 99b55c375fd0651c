"""Which permissions a caller holds, as Secret Manager and Resource Manager tell it; IAM's own is in test_iam_refusals.py."""

from google.iam.v1 import iam_policy_pb2

from google_callers import Callers
from sandbox.google import Google

ADD, ACCESS = "secretmanager.versions.add", "secretmanager.versions.access"
URL = "/v1/projects/acme:testIamPermissions"


def held(callers: Callers, secret: str) -> list[str]:
    asked = iam_policy_pb2.TestIamPermissionsRequest(resource=f"projects/acme/secrets/{secret}", permissions=[ADD, ACCESS])
    answer = callers.secrets.test_iam_permissions(asked, metadata=callers.auth["metadata"], timeout=5)
    return list(answer.permissions)


def test_a_secret_tells_what_the_caller_holds_and_an_absent_one_tells_nothing(google: Google, callers: Callers) -> None:
    callers.store(b"one")
    google.access.deny(ACCESS)

    assert held(callers, "staging") == [ADD]
    assert held(callers, "no-such-secret") == []


def test_a_project_tells_what_the_caller_holds(google: Google, callers: Callers) -> None:
    host = {"Host": "cloudresourcemanager.googleapis.com"}
    google.access.deny("secretmanager.secrets.create", "projects/acme")
    body = {"permissions": ["secretmanager.secrets.create", ADD]}
    answer = callers.http.post(URL, json=body, headers={"Authorization": f"Bearer {callers.token}", **host})
    nothing = callers.http.post(
        URL, json={"permissions": body["permissions"][:1]}, headers={"Authorization": f"Bearer {callers.token}", **host}
    )

    assert (answer.status_code, answer.json()) == (200, {"permissions": [ADD]})
    assert nothing.json() == {}
    assert callers.http.post(URL, json=body, headers=host).status_code == 401
    assert callers.http.get(URL, headers=host).status_code == 404
