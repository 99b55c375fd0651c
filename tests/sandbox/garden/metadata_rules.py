"""Rules about metadata that hold for every kind: what callers cannot write, and what they may insist on."""

from sandbox.garden.call import Call
from sandbox.garden.kind import SHOOTS, Tree
from sandbox.garden.refusal import bad_request, invalid, modified, precondition


def keep_server_fields(call: Call, old: Tree, draft: Tree) -> None:
    """What callers cannot write is as it was. Raises: Refusal for another name, uid or resourceVersion."""
    metadata, before = draft.get("metadata"), old["metadata"]
    if not isinstance(metadata, dict) or (call.kind is SHOOTS and not isinstance(draft.get("spec"), dict)):
        raise bad_request(f"{call.kind.kind} cannot be handled: json: cannot unmarshal")
    if metadata.get("name") != call.name:
        text = f"the name of the object ({metadata.get('name')}) does not match the name on the URL ({call.name})"
        raise bad_request(text)
    if metadata.get("uid", before["uid"]) != before["uid"]:
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
        raise precondition(call.kind, call.name, why)
    if metadata.get("resourceVersion", before["resourceVersion"]) != before["resourceVersion"]:
        raise modified(call.kind, call.name)
    draft["apiVersion"], draft["kind"] = old["apiVersion"], old["kind"]
    for key in ("namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        if key in before:
            metadata[key] = before[key]
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        metadata.pop(key, None)
        if key in before:
            metadata[key] = before[key]
    for key in ("annotations", "labels", "finalizers"):
        if not metadata.get(key):
            metadata.pop(key, None)
    added = set(metadata.get("finalizers", ())) - set(before.get("finalizers", ()))
    if added and "deletionTimestamp" in before:
        text = "Forbidden: no new finalizers can be added if the object is being deleted"
        raise invalid(call.kind, call.name, [("metadata.finalizers", "FieldValueForbidden", text)])


def check_preconditions(call: Call, metadata: Tree) -> None:
    """The uid and resourceVersion that the deletion names are those of the object. Raises: Refusal 409 naming both."""
    conditions = call.document().get("preconditions") or {}
    for field, word, since in (
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ):
        asked, record = conditions.get(field), metadata[field]
        if asked is not None and asked != record:
            text = f"the {word} in the precondition ({asked}) does not match the {word} in record ({record})"
            raise precondition(call.kind, call.name, f"{text}. The object might have been {since}")
