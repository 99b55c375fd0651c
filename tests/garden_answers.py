"""Requests past the client, and what every Garden answers them: code, reason, message, details.

Each case is a name and an act on a ground where the settled Shoot `api` names ar-v1. What the real servers say stands in
`garden_answers.json`; `python -m garden_answers` asks them anew and writes it.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from garden_neighbour import HOST
from real_garden.api import MERGE_PATCH, path
from real_ground import Answer, Ground, on_real, refused
from sandbox.garden.kind import CREDENTIALS_BINDINGS, SECRETS, SHOOTS, Tree

EXPECTED = Path(__file__).with_suffix(".json")
Act = Callable[[Ground], Answer | tuple[int, str, str, Any]]
FLIP = {"op": "replace", "path": "/spec/resources/0/resourceRef/name", "value": "ar-v2"}


def lay(ground: Ground) -> Ground:
    """The settled Shoot is there."""
    ground.server.create_shoot(ground.ns, "api", {HOST: "ar"}, {"ar": "ar-v1"})
    ground.server.catch_up()
    return ground


def flip(*tests: Tree, value: str = "ar-v2", **query: str) -> Act:
    """A JSON Patch that points the entry at another Secret."""
    return lambda ground: ground.patch(SHOOTS, "api", [*tests, {**FLIP, "value": value}], **query)


def test_of(path: str, value: object) -> Tree:
    """One test of a JSON Patch."""
    return {"op": "test", "path": path, "value": value}


def read(method: str, *words: str, **query: str) -> Act:
    """A request about Shoots of the namespace, or one of them."""
    return lambda ground: ground.raw(method, path(SHOOTS, ground.ns, *words, **query))


def create_secret(name: str, **fields: object) -> Act:
    """A Secret is posted as the rotator."""

    def act(ground: Ground) -> Answer:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **fields}
        return ground.raw("POST", path(SECRETS, ground.ns), body)

    return act


def delete_secret(name: str, **preconditions: str) -> Act:
    """A Secret is deleted as the rotator."""
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
    return lambda ground: ground.raw("DELETE", path(SECRETS, ground.ns, name), body)


def after(before: Callable[[Ground], object], act: Act) -> Act:
    """Something happens first."""

    def both(ground: Ground) -> Answer | tuple[int, str, str, Any]:
        before(ground)
        return act(ground)

    return both


def mine(call: Callable[[Ground], object]) -> Act:
    """A deed of the owner's hands, which are refused."""
    return lambda ground: refused(lambda: call(ground))


def deleting(ground: Ground) -> None:
    """The Shoot is being deleted, and stays so."""
    ground.server.ignore(ground.ns, "api")
    ground.server.delete_shoot(ground.ns, "api")


def bad(**fields: Any) -> Callable[[Ground], object]:
    """A Secret that the webhook does not like."""
    content = {"username": "_json_key", "password": "{}", **fields}
    return lambda ground: ground.server.create_secret(ground.ns, "bad", **content)


def shoot_on_bad(ground: Ground) -> object:
    """A new Shoot that uses it."""
    return ground.server.create_shoot(ground.ns, "web", {HOST: "ar"}, {"ar": "bad"})


UID = test_of("/metadata/uid", "wrong")
CASES: dict[str, Act] = {
    "flip": flip(),
    "flip with true tests": flip(test_of("/metadata/generation", 1), test_of("/spec/resources/0/name", "ar")),
    "flip, dry run": flip(dryRun="All"),
    "flip, wrong uid": flip(UID),
    "flip, wrong generation": flip(test_of("/metadata/generation", 77)),
    "flip, wrong index": lambda ground: ground.patch(SHOOTS, "api", [{**FLIP, "path": "/spec/resources/7/resourceRef/name"}]),
    "flip, an annotation that is not there": flip(test_of("/metadata/annotations/none", "x")),
    "flip, an annotation absent as expected": flip(test_of("/metadata/annotations/none", None)),
    "flip to a missing Secret": flip(value="nope"),
    "flip to the empty name": flip(value=""),
    "flip of a Shoot that is not there": lambda ground: ground.patch(SHOOTS, "none", [FLIP]),
    "flip of a Shoot in deletion": after(deleting, flip()),
    "flip without get on the new Secret": after(lambda ground: ground.without("get", "secrets"), flip()),
    "flip without patch": after(lambda ground: ground.without("patch", "shoots"), flip()),
    "another kind of reference": lambda ground: ground.patch(
        SHOOTS, "api", [{"op": "replace", "path": "/spec/resources/0/resourceRef/kind", "value": "Pod"}]
    ),
    "two entries of one name": lambda ground: ground.patch(
        SHOOTS, "api", [{"op": "copy", "from": "/spec/resources/0", "path": "/spec/resources/-"}]
    ),
    "no patch at all": lambda ground: ground.raw("PATCH", path(SHOOTS, ground.ns, "api"), {}, "application/json-patch+json"),
    "a merge patch of the purpose": lambda ground: ground.raw(
        "PATCH", path(SHOOTS, ground.ns, "api"), {"spec": {"purpose": "testing"}}, MERGE_PATCH
    ),
    "a patch of a kind nobody knows": lambda ground: ground.raw("PATCH", path(SHOOTS, ground.ns, "api"), [FLIP], "text/plain"),
    "list": read("GET"),
    "list, junk to continue with": read("GET", **{"continue": "junk"}),
    "list, a limit that is no number": read("GET", limit="many"),
    "list without list": after(lambda ground: ground.without("list", "shoots"), read("GET")),
    "list of another namespace": lambda ground: ground.raw("GET", path(SHOOTS, "garden-none")),
    "list of all namespaces": lambda ground: ground.raw("GET", path(SHOOTS)),
    "list of bindings without list": after(
        lambda ground: ground.without("list", "credentialsbindings"),
        lambda ground: ground.raw("GET", path(CREDENTIALS_BINDINGS, ground.ns)),
    ),
    "get of a Shoot that is not there": read("GET", "none"),
    "get of a Secret that is not there": lambda ground: ground.raw("GET", path(SECRETS, ground.ns, "none")),
    "get of a Secret without get": after(
        lambda ground: ground.without("get", "secrets"), lambda ground: ground.raw("GET", path(SECRETS, ground.ns, "ar-v1"))
    ),
    "list of Secrets": lambda ground: ground.raw("GET", path(SECRETS, ground.ns)),
    "a bad token": lambda ground: ground.raw("GET", path(SHOOTS, ground.ns), Authorization="Bearer nonsense"),
    "create of a Secret": create_secret("ar-v3", immutable=True, data={"a": "Yg=="}),
    "create of a Secret that is there": create_secret("ar-v1"),
    "create of a Secret without create": after(lambda ground: ground.without("create", "secrets"), create_secret("ar-v3")),
    "create of a Secret with a full quota": after(
        lambda ground: ground.quota(len(ground.server.names(SECRETS, ground.ns))), create_secret("ar-v3")
    ),
    "create of a Secret in a namespace that is not there": mine(
        lambda ground: ground.server.create(SECRETS, {"metadata": {"name": "x", "namespace": "garden-none"}})
    ),
    "create of a Secret with a wrong name": create_secret("Wrong_Name"),
    "create of a Secret with data that is no base64": create_secret("ar-v3", data={"a": "%%%"}),
    "create of a Secret with a wrong entry": create_secret("ar-v3", data={"a b": "Yg=="}),
    "change of an immutable Secret": mine(
        lambda ground: ground.server.patch(SECRETS, ground.ns, "ar-v1", {"data": {"username": "eA=="}})
    ),
    "an immutable Secret made mutable": mine(
        lambda ground: ground.server.patch(SECRETS, ground.ns, "ar-v1", {"immutable": False})
    ),
    "delete of a Secret": delete_secret("ar-v2"),
    "delete of a Secret in use": after(lambda ground: ground.until_protected("ar-v1"), delete_secret("ar-v1")),
    "delete of a Secret, wrong uid": delete_secret("ar-v2", uid="11111111-2222-3333-4444-555555555555"),
    "delete of a Secret, old version": delete_secret("ar-v2", resourceVersion="1"),
    "delete of a Secret that is not there": delete_secret("none"),
    "delete of a Secret without delete": after(lambda ground: ground.without("delete", "secrets"), delete_secret("ar-v2")),
    "delete of a Shoot without confirmation": mine(
        lambda ground: (
            ground.server.annotate(ground.ns, "api", {"confirmation.gardener.cloud/deletion": None}),
            ground.server.delete(SHOOTS, ground.ns, "api"),
        )
    ),
    "delete of a Shoot by the rotator": read("DELETE", "api"),
    "Gardener's finalizer taken off a Shoot in deletion": after(
        deleting, mine(lambda ground: ground.server.patch(SHOOTS, ground.ns, "api", {"metadata": {"finalizers": None}}))
    ),
    "webhook: a mutable Secret": after(bad(immutable=False), mine(shoot_on_bad)),
    "webhook: a third entry": after(bad(third="x"), mine(shoot_on_bad)),
    "webhook: no password": after(
        lambda ground: ground.server.create(
            SECRETS,
            {"metadata": {"name": "bad", "namespace": ground.ns}, "immutable": True, "stringData": {"username": "a", "b": "c"}},
        ),
        mine(shoot_on_bad),
    ),
    "webhook: white space in the username": after(bad(username="_json_key\n"), mine(shoot_on_bad)),
    "webhook: an empty password": after(bad(password="  "), mine(shoot_on_bad)),
    "webhook: broken JSON": after(bad(password="{"), mine(shoot_on_bad)),
    "webhook: a forbidden field": after(bad(password='{"type": "x", "extra": "y"}'), mine(shoot_on_bad)),
    "webhook: a number in the key file": after(bad(password='{"type": 1}'), mine(shoot_on_bad)),
    "webhook: an upstream twice": mine(lambda ground: extended(ground, [{"upstream": HOST}, {"upstream": HOST}])),
    "webhook: an upstream with a scheme": mine(lambda ground: extended(ground, [{"upstream": f"https://{HOST}"}])),
    "webhook: a reference that is not there": mine(
        lambda ground: extended(ground, [{"upstream": HOST, "secretReferenceName": "none"}])
    ),
    "webhook: an unknown field": mine(lambda ground: extended(ground, [{"upstream": HOST, "colour": "red"}])),
    "webhook: no cache at all": mine(lambda ground: extended(ground, [])),
}


def extended(ground: Ground, caches: list[Tree]) -> object:
    """A new Shoot with these caches."""
    config = {"apiVersion": "registry.extensions.gardener.cloud/v1alpha3", "kind": "RegistryConfig", "caches": caches}
    extension = {"extensions": [{"type": "registry-cache", "providerConfig": config}]}
    return ground.server.create_shoot(ground.ns, "web", extra_spec=extension)


def asked(case: str, ground: Ground) -> list[Any]:
    """What the case was answered, without what differs from run to run; of a success only that it was one."""
    answer = CASES[case](ground)
    code, reason, message, details = answer.said if isinstance(answer, Answer) else answer
    return [code] if code < 300 else [code, reason, _plain(message, ground), _plain(details, ground)]


def _plain(found: Any, ground: Ground) -> Any:
    text = json.dumps(found)
    text = text.replace(ground.ns, "NAMESPACE")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r"\bin record \(\d+\)", "in record (NUMBER)", text)
    return json.loads(text)


def main() -> None:
    """The real servers were asked, and their answers stand in the file."""
    from real_garden.landscape import Landscape

    wanted = sys.argv[1:] or list(CASES)
    found = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.exists() else {}
    with tempfile.TemporaryDirectory() as folder, Landscape(Path(folder)) as real:
        for case in wanted:
            with on_real(real) as ground:
                found[case] = asked(case, lay(ground))
                print(case, found[case], flush=True)
    lines = [f"{json.dumps(case)}: {json.dumps(found[case])}" for case in CASES if case in found]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
