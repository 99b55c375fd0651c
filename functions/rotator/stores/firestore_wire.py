"""Firestore over REST: documents as plain values, commits with preconditions, queries page by page, and what its faults mean.

Not by google-cloud-firestore: it costs 230 ms of every cold start, and its retries and transactions would hide the lost answers
that the store has to see. Source: https://cloud.google.com/firestore/docs/reference/rest
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import urllib3

from rotator.errors import Permanent, RotatorError, Transient

OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_MANY_REQUESTS, INTERNAL_SERVER_ERROR = 200, 401, 403, 404, 409, 429, 500

FIRESTORE = "https://firestore.googleapis.com"
ROLE = "roles/datastore.user"
PAGE = 300
LARGEST = 1_000_000
"""Bytes of a document's fields, a little below Firestore's limit of 1 MiB."""

TIMEOUT = urllib3.Timeout(connect=5.0, read=15.0)

Fields = Mapping[str, Any]


class LostRace(RotatorError):
    """The precondition of a commit did not hold: somebody else wrote first, or an earlier attempt of ours did."""


class Unindexed(Permanent):
    """A query needs a composite index that is not there, or still being built."""


class Unclear(Transient):
    """No answer, or one that says nothing about the effect: it may have happened."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it was read; `version` is what a precondition tests."""

    path: str
    fields: Fields
    version: str


class Wire:
    """One database. Safe for threads."""

    def __init__(self, database: str, authorize: Callable[[], str], base: str = FIRESTORE) -> None:
        """`database`: projects/P/databases/D; `authorize` gives a token that is good now. Connects at the first call."""
        self.database = database
        self.emulated = base.startswith("http:")
        self._root = f"{database}/documents"
        self._url = f"{base}/v1/{database}/documents"
        self._authorize = authorize
        self._http = urllib3.PoolManager(num_pools=1, maxsize=16, retries=False, timeout=TIMEOUT)

    def name(self, path: str) -> str:
        """The full name of the document at this path below the root."""
        return f"{self._root}/{path}"

    def get(self, path: str) -> Document | None:
        """The document, by a strong read; None when there is none."""
        status, answer = self._send("GET", f"{self._url}/{quote(path)}", None, f"reading {path}")
        return None if status == NOT_FOUND else _document(answer, self._root)

    def commit(self, writes: Sequence[Mapping[str, Any]], what: str) -> str:
        """All the writes happened, or none; gives the commit's time. Raises: LostRace, Unclear, Permanent."""
        largest = max((_size(write["update"]["fields"]) for write in writes if "update" in write), default=0)
        if largest > LARGEST:
            raise self._permanent(f"{what}: {largest} bytes, more than a Firestore document takes", code="store-size")
        _, answer = self._send("POST", f"{self._url}:commit", {"writes": list(writes)}, what)
        return str(answer["commitTime"])

    def query(self, query: Mapping[str, Any], what: str, parent: str = "") -> Iterator[Document]:
        """What the query finds, page by page. It must be ordered; documents that come and go meanwhile are seen or not."""
        url = f"{self._url}{'/' + quote(parent) if parent else ''}:runQuery"
        cursor: Mapping[str, Any] | None = None
        while True:
            asked = {**query, "limit": PAGE, **({"startAt": cursor} if cursor else {})}
            _, answer = self._send("POST", url, {"structuredQuery": asked}, what)
            _check_whole(answer, what)
            found = [_document(each["document"], self._root) for each in answer if "document" in each]
            yield from found
            if len(found) < PAGE:
                return
            cursor = {"values": [self._cursor(order, found[-1]) for order in query["orderBy"]], "before": False}

    def get_all(self, paths: Sequence[str], fields: Sequence[str], what: str) -> tuple[Document, ...]:
        """Those of these documents that there are, all as at one moment, in any order, with these fields only."""
        body = {"documents": [self.name(path) for path in paths], "mask": {"fieldPaths": list(fields)}}
        _, answer = self._send("POST", f"{self._url}:batchGet", body, what)
        _check_whole(answer, what)
        if len(answer) != len(paths):
            raise Unclear(f"{what} in Firestore: {len(answer)} answers for {len(paths)} documents; tried again later")
        return tuple(_document(each["found"], self._root) for each in answer if "found" in each)

    def close(self) -> None:
        """Every connection is closed."""
        self._http.clear()

    def _cursor(self, order: Mapping[str, Any], last: Document) -> Mapping[str, Any]:
        field = order["field"]["fieldPath"]
        return {"referenceValue": self.name(last.path)} if field == "__name__" else value(last.fields[field])

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None, what: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._authorize()}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._http.request(method, url, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as fault:
            raise Unclear(f"{what} in Firestore: no answer ({type(fault).__name__}); tried again later") from None
        absent = answer.status == NOT_FOUND and method == "GET" and not self._no_database(answer.data)
        if answer.status == OK or absent:
            try:
                return answer.status, json.loads(answer.data)
            except ValueError:
                raise Unclear(f"{what} in Firestore: an answer that is no JSON; tried again later") from None
        raise self._meaning(answer.status, answer.data, what, commit=url.endswith(":commit"))

    def _meaning(self, status: int, data: bytes, what: str, *, commit: bool) -> RotatorError:
        word = _status(data)
        # A document that a precondition wants and that is gone may be answered with 404, too.
        gone = status == NOT_FOUND and not self._no_database(data)
        if commit and (status == CONFLICT or gone or word in {"FAILED_PRECONDITION", "ABORTED", "ALREADY_EXISTS"}):
            return LostRace(f"{what} in Firestore: {word}")
        if word == "FAILED_PRECONDITION":
            return self._unindexed(what)
        if status in {UNAUTHORIZED, FORBIDDEN}:
            project = self.database.split("/")[1]
            grant = f"gcloud projects add-iam-policy-binding {project} --member MEMBER --role {ROLE}"
            return Permanent(
                f"{what} in Firestore {self.database}: {status}: we lack datastore.entities.*; grant it: {grant}",
                code="store-permission",
                next_command=grant,
            )
        if status == NOT_FOUND:
            return self._missing(what)
        if status in {CONFLICT, TOO_MANY_REQUESTS} or status >= INTERNAL_SERVER_ERROR:
            return Unclear(f"{what} in Firestore: {status} {word}; tried again later")
        return self._permanent(f"{what}: {status} {word}", code="store")

    def _missing(self, what: str) -> Permanent:
        _, project, _, name = self.database.split("/")
        create = f"gcloud firestore databases create --database={name} --project {project} --location LOCATION"
        return Permanent(
            f"{what} in Firestore: there is no database {self.database}; make it: {create}", code="store", next_command=create
        )

    def _unindexed(self, what: str) -> Unindexed:
        _, project, _, name = self.database.split("/")
        look = f"gcloud firestore indexes composite list --database={name} --project {project}"
        return Unindexed(
            f"{what} in Firestore {self.database}: an index is missing or still being built; see which: {look}",
            code="store",
            next_command=look,
        )

    def _permanent(self, message: str, *, code: str) -> Permanent:
        return Permanent(f"{message} (Firestore {self.database})", code=code, next_command="rotator status")

    @staticmethod
    def _no_database(data: bytes) -> bool:
        return b"database" in data and b"does not exist" in data


def _check_whole(answer: Sequence[Mapping[str, Any]], what: str) -> None:
    """It is whole. Raises: Unclear when the stream failed after its 200 was out: half of it would pass for all there is."""
    if (broken := next((each["error"] for each in answer if "error" in each), None)) is not None:
        raise Unclear(f"{what} in Firestore: the answer broke off ({broken.get('status', '')}); tried again later")


def _status(data: bytes) -> str:
    try:
        found = json.loads(data)
    except ValueError:
        return ""
    first = found[0] if isinstance(found, list) and found else found
    return str(first.get("error", {}).get("status", "")) if isinstance(first, dict) else ""


def _document(answer: Mapping[str, Any], root: str) -> Document:
    fields = {name: plain(each) for name, each in answer.get("fields", {}).items()}
    return Document(answer["name"].removeprefix(f"{root}/"), fields, answer["updateTime"])


def _size(fields: Mapping[str, Mapping[str, Any]]) -> int:
    """About the bytes that Firestore counts: bytes travel as base64, the rest is small."""
    return sum(len(each["bytesValue"]) * 3 // 4 if "bytesValue" in each else 32 for each in fields.values())


def value(found: Any) -> dict[str, Any]:
    """A plain value as Firestore writes it. Raises: ValueError for a time without a zone."""
    match found:
        case None:
            return {"nullValue": None}
        case bool():
            return {"booleanValue": found}
        case int():
            return {"integerValue": str(found)}
        case bytes():
            return {"bytesValue": base64.b64encode(found).decode("ascii")}
        case datetime():
            return {"timestampValue": timestamp(found)}
        case _:
            return {"stringValue": str(found)}


def plain(found: Mapping[str, Any]) -> Any:
    """The plain value that Firestore wrote."""
    ((kind, held),) = found.items()
    match kind:
        case "integerValue":
            return int(held)
        case "bytesValue":
            return base64.b64decode(held)
        case "timestampValue":
            return _moment(held)
        case _:
            return held


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    utc = at.astimezone(UTC)
    return f"{utc.year:04d}" + utc.strftime("-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime:
    head, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(head).replace(microsecond=int((fraction + "000000")[:6]), tzinfo=UTC)
