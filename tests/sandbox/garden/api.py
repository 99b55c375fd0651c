"""The verbs of the API server: what each does to the state, and what it answers.

`perform` is the only way in, for HTTP and for the landscape's own Python calls: authorise, act, log, all under the lock.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.garden import admission, metadata_rules, ownership, patch, selection, shoot_status
from sandbox.garden import secret as secrets
from sandbox.garden import shoot as shoots
from sandbox.garden.call import MUTATING, Call
from sandbox.garden.kind import ACCESS_REVIEWS, NAMESPACES, REVIEWS, SECRETS, SELF_REVIEWS, SHOOTS, TOKEN_REQUESTS, Tree
from sandbox.garden.refusal import Refusal, already_exists, bad_request, forbidden, invalid, not_found
from sandbox.garden.state import State, facts_of
from sandbox.garden.store import Stored, new_uid, stamp

SHORTEST_TOKEN = 600
"""Seconds: a TokenRequest for less is invalid."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller gets, and the facts for the log when the world changed."""

    code: int
    body: bytes
    facts: Tree | None = None


class Api:
    """The verbs over one state."""

    def __init__(self, state: State) -> None:
        """Serve this state."""
        self._state = state
        self._limiter = admission.Limiter()

    def perform(self, call: Call, *, answered: bool = True) -> Reply:
        """The call has had its effect, all of it or none, and is in the log. Raises: Refusal."""
        checked = False
        while True:
            with self._state.lock:
                now = self._state.catch_up()
                try:
                    reply = self._dispatch(call, now, checked=checked)
                except admission.Queued as queued:
                    entries = queued.entries
                except Refusal as refusal:
                    self._log(call, now, answered=answered, outcome=f"{refusal.code} {refusal.reason}", facts=None)
                    raise
                else:
                    self._log(call, now, answered=answered, outcome="ok", facts=reply.facts)
                    self._state.catch_up()
                    return reply
            # Waiting in the queue of the limiter must not hold up everybody else.
            self._limiter.wait(entries, self._state.knobs.reference_checks_per_second)
            checked = True

    def refuse(self, call: Call, outcome: str, *, answered: bool) -> None:
        """The call was refused at the door, and is in the log."""
        with self._state.lock:
            self._log(call, self._state.catch_up(), answered=answered, outcome=outcome, facts=None)

    def _log(self, call: Call, now: datetime, *, answered: bool, outcome: str, facts: Tree | None) -> None:
        mutating = call.verb in MUTATING and not call.dry_run and call.kind not in (*REVIEWS, TOKEN_REQUESTS)
        self._state.log(
            call.method,
            call.target,
            now,
            by=call.user,
            mutating=mutating,
            outcome=outcome,
            answered=answered,
            facts=facts,
        )

    def _dispatch(self, call: Call, now: datetime, *, checked: bool) -> Reply:
        name = call.name
        if call.verb == "list" and call.query.get("fieldSelector", "").startswith("metadata.name="):
            name = call.query["fieldSelector"].removeprefix("metadata.name=")
        self._state.access.check(call.user, call.verb, call.kind, call.namespace, name, call.resource)
        actions: dict[str, Callable[[], Reply]] = {
            "get": lambda: Reply(200, self._stored(call).encoded),
            "list": lambda: self._list(call, now),
            "create": lambda: self._create(call, now, checked=checked),
            "update": lambda: self._update(call, now, checked=checked),
            "patch": lambda: self._update(call, now, checked=checked),
            "delete": lambda: self._delete(call, now),
        }
        return actions[call.verb]()

    def _stored(self, call: Call) -> Stored:
        stored = self._state.store.find(call.kind, call.namespace, call.name)
        if stored is None:
            raise not_found(call.kind, call.name)
        return stored

    def _list(self, call: Call, now: datetime) -> Reply:
        query, knobs, pages = call.query, self._state.knobs, self._state.pages
        limit = selection.whole_number(query, "limit")
        selectors = selection.labelled(query.get("labelSelector", ""))
        selectors += selection.fielded(query.get("fieldSelector", ""), call.kind)
        if token := query.get("continue", ""):
            if query.get("resourceVersion"):
                raise bad_request("specifying resource version is not allowed when using continue")
            lifetime = timedelta(seconds=knobs.continue_lifetime)
            snapshot_name, offset, version, snapshot = pages.turn(token, now, lifetime)
        else:
            found = self._state.store.all(call.kind, call.namespace or None)
            snapshot = tuple(stored for stored in found if all(test(stored.tree) for test in selectors))
            snapshot_name, offset, version = "", 0, self._state.store.version
            if query.get("resourceVersion") == "0":
                # Served from the watch cache, which knows no pages (gardener.md 11).
                limit = 0
        end = offset + limit if limit else len(snapshot)
        metadata: Tree = {"resourceVersion": str(version)}
        if end < len(snapshot):
            snapshot_name = snapshot_name or pages.keep(snapshot, version, now)
            metadata["continue"] = pages.token(snapshot_name, end)
            if not selectors:
                metadata["remainingItemCount"] = len(snapshot) - end
        head = {"kind": f"{call.kind.kind}List", "apiVersion": call.kind.api_version, "metadata": metadata}
        items = b",".join(stored.encoded for stored in snapshot[offset:end])
        return Reply(200, json.dumps(head).encode()[:-1] + b',"items":[' + items + b"]}")

    def _create(self, call: Call, now: datetime, *, checked: bool) -> Reply:
        if call.kind is ACCESS_REVIEWS:
            return self._review(call)
        if call.kind is SELF_REVIEWS:
            return self._who(call)
        if call.kind is TOKEN_REQUESTS:
            return self._token(call, now)
        kind, state = call.kind, self._state
        tree = admission.decoded(call)
        metadata = tree["metadata"]
        name = metadata["name"]
        if state.store.find(NAMESPACES, "", call.namespace) is None:
            raise not_found(NAMESPACES, call.namespace)
        if call.namespace in state.knobs.terminating_namespaces:
            why = f"unable to create new content in namespace {call.namespace} because it is being terminated"
            raise forbidden(kind, name, why)
        for served in ("resourceVersion", "deletionTimestamp", "managedFields", "selfLink"):
            metadata.pop(served, None)
        metadata |= {"namespace": call.namespace, "uid": new_uid(), "creationTimestamp": stamp(now)}
        if kind is SECRETS:
            secrets.complete(tree)
            self._check_quota(call, name)
        elif kind is SHOOTS:
            self._prepare_new_shoot(call, tree, checked=checked)
        if state.store.find(kind, call.namespace, name) is not None:
            raise already_exists(kind, name)
        metadata["managedFields"] = ownership.claimed({}, tree, call.manager, stamp(now))
        stored = Stored(tree) if call.dry_run else state.put(kind, tree, now)
        return Reply(201, stored.encoded, None if call.dry_run else facts_of(kind, stored.tree))

    def _check_quota(self, call: Call, name: str) -> None:
        quota = self._state.knobs.quotas.get(call.namespace)
        used = self._state.store.count(SECRETS, call.namespace)
        if quota is not None and used >= quota:
            counts = f"requested: count/secrets=1, used: count/secrets={used}, limited: count/secrets={quota}"
            raise forbidden(SECRETS, name, f"exceeded quota: gardener, {counts}")

    def _prepare_new_shoot(self, call: Call, tree: Tree, *, checked: bool) -> None:
        state, metadata = self._state, tree["metadata"]
        metadata["generation"] = 1
        finalizers = [each for each in metadata.get("finalizers", []) if each != "gardener"]
        if not state.knobs.gardenlet_outside:
            finalizers.insert(0, "gardener")  # the gardenlet's at the start of a run; the one inside begins at once
        metadata["finalizers"] = finalizers
        metadata["annotations"] = {
            **(metadata.get("annotations") or {}),
            "gardener.cloud/created-by": call.user,
            "shoot.gardener.cloud/tasks": "deployInfrastructure,deployDNSRecordInternal,deployDNSRecordExternal",
        }
        tree["status"] = shoot_status.fresh(tree)
        shoots.label(tree)
        admission.check_references(state, call.user, None, tree, checked=checked)
        shoots.validate(tree)
        admission.call_webhook(state, None, tree)

    def _review(self, call: Call) -> Reply:
        asked = call.document()
        attributes = (asked.get("spec") or {}).get("resourceAttributes") or {}
        verb, resource = attributes.get("verb", ""), attributes.get("resource", "")
        resource += f"/{attributes['subresource']}" if attributes.get("subresource") else ""
        namespace, name = attributes.get("namespace", ""), attributes.get("name", "")
        allowed = self._state.access.may(call.user, verb, resource, namespace, name, attributes.get("group", ""))
        answer = {
            **asked,
            "kind": ACCESS_REVIEWS.kind,
            "apiVersion": ACCESS_REVIEWS.api_version,
            "metadata": asked.get("metadata") or {},
            "status": {"allowed": allowed},
        }
        return Reply(201, json.dumps(answer).encode())

    def _who(self, call: Call) -> Reply:
        head = {"kind": SELF_REVIEWS.kind, "apiVersion": SELF_REVIEWS.api_version, "metadata": {}}
        info = {"username": call.user, "groups": ["system:authenticated"]}
        return Reply(201, json.dumps({**head, "status": {"userInfo": info}}).encode())

    def _token(self, call: Call, now: datetime) -> Reply:
        """Operators cap its life, silently (gardener.md 7)."""
        asked = (call.document().get("spec") or {}).get("expirationSeconds", 3600)
        if asked < SHORTEST_TOKEN:
            why = f"spec.expirationSeconds: Invalid value: {asked}: may not specify a duration less than 10 minutes"
            raise Refusal(422, f'TokenRequest.authentication.k8s.io "" is invalid: {why}', details={})
        lifetime = timedelta(seconds=min(asked, self._state.knobs.longest_token))
        token = self._state.access.issue(f"system:serviceaccount:{call.namespace}:{call.name}", now, lifetime)
        answer = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": call.name, "namespace": call.namespace, "creationTimestamp": stamp(now)},
            "spec": {"audiences": ["garden"], "expirationSeconds": int(lifetime.total_seconds()), "boundObjectRef": None},
            "status": {"token": token, "expirationTimestamp": stamp(now + lifetime)},
        }
        return Reply(201, json.dumps(answer).encode())

    def _update(self, call: Call, now: datetime, *, checked: bool) -> Reply:
        stored = self._stored(call)
        if call.verb == "patch":
            draft = patch.apply(call.content_type, call.body, stored.draft())
        else:
            draft = admission.decoded(call)
            if call.kind is SHOOTS and not draft["metadata"].get("resourceVersion"):
                text = "Invalid value: 0x0: must be specified for an update"
                raise invalid(SHOOTS, call.name, [("metadata.resourceVersion", "FieldValueInvalid", text)])
        old = stored.tree
        metadata_rules.keep_server_fields(call, old, draft)
        if call.status:
            return self._write_status(call, old, draft, now)
        if call.kind is SECRETS:
            secrets.check_update(old, draft)
        elif call.kind is SHOOTS:
            draft["status"] = old["status"]
            shoots.label(draft)
            admission.check_references(self._state, call.user, old, draft, checked=checked)
            shoots.check_update(old, draft)
            shoots.settle_generation(old, draft)
            admission.call_webhook(self._state, old, draft)
        if draft == old:
            return Reply(200, stored.encoded, None if call.dry_run else facts_of(call.kind, old))
        draft["metadata"]["managedFields"] = ownership.claimed(old, draft, call.manager, stamp(now))
        if call.dry_run:
            return Reply(200, Stored(draft).encoded)
        if "deletionTimestamp" in draft["metadata"] and not draft["metadata"].get("finalizers"):
            self._state.drop(call.kind, draft, now)
            return Reply(200, Stored(draft).encoded, facts_of(call.kind, draft, exists=False))
        stored = self._state.put(call.kind, draft, now)
        return Reply(200, stored.encoded, facts_of(call.kind, stored.tree))

    def _write_status(self, call: Call, old: Tree, draft: Tree, now: datetime) -> Reply:
        tree = shoot_status.written(old, draft.get("status") or {}, call.manager, now)
        if call.dry_run or tree["status"] == old["status"]:
            return Reply(200, Stored(tree if call.dry_run else old).encoded)
        stored = self._state.put(SHOOTS, tree, now)
        return Reply(200, stored.encoded, facts_of(SHOOTS, stored.tree))

    def _delete(self, call: Call, now: datetime) -> Reply:
        tree = self._stored(call).tree
        metadata = tree["metadata"]
        metadata_rules.check_preconditions(call, metadata)
        if call.kind is SHOOTS:
            shoots.check_deletion(tree)
        if not metadata.get("finalizers"):
            if not call.dry_run:
                self._state.drop(call.kind, tree, now)
            details = {"name": call.name, "kind": call.kind.plural, "uid": metadata["uid"]}
            status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
            return Reply(200, json.dumps(status).encode(), None if call.dry_run else facts_of(call.kind, tree, exists=False))
        if "deletionTimestamp" not in metadata:
            metadata = {**metadata, "deletionTimestamp": stamp(now), "deletionGracePeriodSeconds": 0}
            if call.kind is SHOOTS:
                metadata["generation"] += 1
            tree = {**tree, "metadata": metadata}
            if call.dry_run:
                return Reply(200, Stored(tree).encoded)
            tree = self._state.put(call.kind, tree, now).tree
        return Reply(200, Stored(tree).encoded, None if call.dry_run else facts_of(call.kind, tree))
