"""What `rotator doctor` makes of topics and subscriptions, and of answers of Google's REST APIs: rules without a server."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from rotator import delivery, premises
from rotator.checkup import Line
from rotator.clients.lifetime import Lifetimes
from rotator.clients.rest import Rest
from rotator.clients.timetable import Timetable
from rotator.delivery import FILTER, Subscription
from rotator.errors import Absent, Permanent, RotatorError, TokenExpired, Transient, Unreadable, Untold

WORK = "projects/acme/topics/work"
GOOD = Subscription(
    name="projects/acme/subscriptions/work-worker",
    endpoint="https://worker.example/",
    identity="invoker@acme.iam.gserviceaccount.com",
    deadline=timedelta(seconds=60),
    dead_letter=f"{WORK}-dead",
    expires=False,
)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Said:
    """Pub/Sub, as far as these rules ask it."""

    def __init__(self, *found: Subscription, publishes: bool | RotatorError = True) -> None:
        self.found = found
        self.answer = publishes

    def publishes(self, topic: str) -> bool:
        if isinstance(self.answer, RotatorError):
            raise self.answer
        return self.answer

    def look(self, topic: str) -> None:
        raise Unreadable("403")

    def subscriptions(self, topic: str) -> tuple[Subscription, ...]:
        return self.found


def bad(said: Said, budget: float = 40, door: delivery.Door = "worker") -> list[Line]:
    asked = delivery.Topic(
        name=WORK, door=door, writes=door == "worker", budget=timedelta(seconds=budget), member="serviceAccount:r@acme.example"
    )
    return [line for line in delivery.topic(asked, said) if line.status != "ok"]


def changed(**fields: object) -> Subscription:
    return msgspec.structs.replace(GOOD, **fields)


def test_a_subscription_that_somebody_else_hangs_on_the_topic_is_none_of_ours() -> None:
    archive = Subscription(name="projects/acme/subscriptions/archive")

    assert bad(Said(archive, GOOD)) == []


def test_a_topic_that_may_not_be_looked_at_lacks_the_right_to_publish() -> None:
    (line,) = bad(Said(GOOD, publishes=False))

    assert (line.what, line.status) == ("pubsub.topics.publish", "missing")
    assert line.mend == (
        "gcloud pubsub topics add-iam-policy-binding work --project acme"
        " --member serviceAccount:r@acme.example --role roles/pubsub.publisher"
    )


def test_what_cannot_be_asked_of_the_topic_hides_no_subscription() -> None:
    lines = bad(Said(changed(expires=True), publishes=Permanent("501", code="google-answer")))

    assert [(line.what, line.status) for line in lines] == [("topic", "unknown"), ("expires never", "missing")]


def test_what_an_emulator_does_not_tell_is_a_line_that_wants_nothing_and_the_rest_is_asked() -> None:
    class Emulated(Said):
        def look(self, topic: str) -> None:
            return

    quiet, found = bad(Emulated(changed(expires=True), publishes=Untold("501")))

    assert (quiet.what, quiet.optional, quiet.mend) == ("pubsub.topics.publish", True, "")
    assert quiet.why == "the emulator does not tell permissions"
    assert (found.what, found.status) == ("expires never", "missing")


def test_a_topic_that_nobody_hears_gets_the_whole_command() -> None:
    (line,) = bad(Said())

    assert line.mend == (
        "gcloud pubsub topics create work-dead --project acme && gcloud pubsub subscriptions create work-worker --project acme"
        " --topic work --push-endpoint WORKER_URL --push-auth-service-account INVOKER --ack-deadline 60"
        " --expiration-period never --dead-letter-topic projects/acme/topics/work-dead --max-delivery-attempts 20"
    )


@pytest.mark.parametrize(
    ("deadline", "budget", "mended"), [(60, 40, ""), (40, 40, "60"), (10, 5, ""), (10, 540, "560"), (60, 590, "600")]
)
def test_the_ack_deadline_is_above_the_budget(deadline: int, budget: int, mended: str) -> None:
    lines = bad(Said(changed(deadline=timedelta(seconds=deadline))), budget)

    assert [line.mend.rpartition(" ")[2] for line in lines] == [mended] * bool(mended)


@pytest.mark.parametrize(
    ("said", "faults"),
    [
        (FILTER, []),
        ('attributes.eventType = "SECRET_ROTATE"', []),
        ("", [True]),
        ('attributes.eventType="SECRET_CREATE"', [False]),
    ],
)
def test_a_filter_lets_the_one_event_pass_and_its_absence_only_wastes(said: str, faults: list[bool]) -> None:
    class Expiry(Said):
        def look(self, topic: str) -> None:
            return

    assert [line.optional for line in bad(Expiry(changed(filter=said)), door="events")] == faults


def test_a_dead_letter_topic_that_was_deleted_is_none() -> None:
    assert [line.what for line in bad(Said(changed(dead_letter="_deleted-topic_")))] == ["dead letter policy"]


# --- what REST answers mean ---


GOOGLE = "https://pubsub.googleapis.com"


def asked(status: int, body: bytes = b"{}", base: str = GOOGLE) -> Rest:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    return Rest(httpx.Client(transport=transport), lambda: "token", base)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(401, TokenExpired), (403, Unreadable), (404, Absent), (400, Permanent), (501, Permanent), (302, Permanent)],
)
def test_each_refusal_has_its_fate(status: int, meaning: type[RotatorError]) -> None:
    with pytest.raises(meaning):
        asked(status).get(WORK, dict)


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [(501, b'{"error": {"code": 501}}', Untold), (404, b"Not Found", Untold), (404, b'{"error": {"code": 404}}', Absent)],
)
def test_an_emulator_that_does_not_play_a_question_is_no_fault_and_what_it_has_not_is_not_there(
    status: int, body: bytes, meaning: type[RotatorError]
) -> None:
    with pytest.raises(meaning):
        asked(status, body, "http://127.0.0.1:8085").get(WORK, dict)


@pytest.mark.parametrize("status", [404, 501])
def test_google_itself_has_no_such_excuse(status: int) -> None:
    with pytest.raises(RotatorError) as caught:
        asked(status, b"Not Found").get(WORK, dict)

    assert not isinstance(caught.value, Untold)


def test_an_api_that_is_not_enabled_is_named_with_its_command() -> None:
    with pytest.raises(Permanent) as caught:
        asked(403, b'{"error": {"details": [{"reason": "SERVICE_DISABLED"}]}}').get(WORK, dict)

    assert caught.value.next_command == "gcloud services enable pubsub.googleapis.com --project acme"


def test_an_answer_in_another_form_says_nothing_of_its_content() -> None:
    with pytest.raises(Transient) as caught:
        asked(200, b"<html>secret").get(WORK, dict)

    assert "secret" not in str(caught.value)


def test_a_job_is_read_as_scheduler_writes_it() -> None:
    target = {"uri": "https://s/", "oidcToken": {"serviceAccountEmail": "i@a"}, "httpMethod": "POST"}
    said = {"name": "j", "state": "ENABLED", "lastAttemptTime": "2026-11-28T11:55:00.5Z", "status": {"code": 7, "message": "x"}}
    body = json.dumps({**said, "httpTarget": target, "retryConfig": {}}).encode()
    job = Timetable(asked(200, body)).job("projects/p/locations/l/jobs/j")

    assert (job.target, job.identity, job.state) == ("https://s/", "i@a", "ENABLED")
    assert job.attempted == datetime(2026, 11, 28, 11, 55, 0, 500000, tzinfo=UTC)
    assert job.failure.startswith("PERMISSION_DENIED")


# --- Firestore ---


class Books:
    """A database in which every index is there."""

    indexes, ttl = (("credential", "created"),), ("history", "expires_at")

    def indexed(self, fields: tuple[str, ...]) -> bool:
        return fields in self.indexes

    def create_index(self, fields: tuple[str, ...]) -> str:
        return f"make {fields}"

    def writes(self) -> bool:
        return True


DATABASE = "projects/acme/databases/books"


def firestore(status: int, document: object, base: str = "https://firestore.googleapis.com") -> list[Line]:
    lifetimes = Lifetimes(asked(status, json.dumps(document).encode(), base))
    return list(premises.firestore(DATABASE, Books(), lifetimes, "serviceAccount:r@acme.example", readable=True))


def lives(state: str, field: str = "expires_at") -> dict[str, object]:
    name = f"{DATABASE}/collectionGroups/history/fields/{field}"
    return {"fields": [{"name": name, "indexConfig": {}, "ttlConfig": {"state": state}}]}


@pytest.mark.parametrize("state", ["ACTIVE", "CREATING"])
def test_books_that_are_as_terraform_makes_them_are_fine(state: str) -> None:
    lines = firestore(200, lives(state))

    assert [(line.what, line.status) for line in lines] == [
        ("writable", "ok"),
        ("index credential, created", "ok"),
        ("time to live of history/expires_at", "ok"),
    ]


@pytest.mark.parametrize("document", [{}, lives("NEEDS_REPAIR"), lives("ACTIVE", "created")])
def test_history_that_stays_for_ever_is_told_with_what_mends_it(document: dict[str, object]) -> None:
    line = firestore(200, document)[-1]

    assert (line.status, line.optional) == ("missing", True)
    assert line.mend == (
        "gcloud firestore fields ttls update expires_at --collection-group=history --enable-ttl --database=books --project acme"
    )


def test_a_time_to_live_that_may_not_be_seen_is_said_and_no_fault() -> None:
    line = firestore(403, {"error": {}})[-1]

    assert (line.status, line.optional) == ("unknown", True)
    assert line.why == "not looked at: we lack datastore.indexes.list"


def test_an_emulators_admin_api_does_not_tell() -> None:
    line = firestore(404, "Not Found", "http://127.0.0.1:8080")[-1]

    assert (line.status, line.optional, line.why, line.mend) == ("unknown", True, "the emulator does not tell", "")


# --- logins and clocks ---


@pytest.mark.parametrize(
    ("age", "left", "status"),
    [(1, 23, "ok"), (22, 2, "missing"), (0.95, 0.05, "ok"), (2000, 160, "missing"), (22, -1, "missing")],
)
def test_a_login_that_should_have_been_renewed_is_told(age: float, left: float, status: str) -> None:
    line = premises.login("live", NOW - timedelta(hours=age), NOW + timedelta(hours=left), NOW)

    assert line.status == status


def test_a_login_without_an_end_or_a_beginning_is_no_fault() -> None:
    assert premises.login("live", None, None, NOW).status == "ok"
    assert premises.login("live", None, NOW + timedelta(hours=1), NOW).status == "ok"


@pytest.mark.parametrize(("skew", "status"), [(0, "ok"), (-29, "ok"), (31, "missing"), (-3600, "missing")])
def test_a_clock_may_be_off_by_half_a_minute(skew: int, status: str) -> None:
    line = premises.clock(timedelta(seconds=skew))

    assert (line.status, line.optional) == (status, True)
