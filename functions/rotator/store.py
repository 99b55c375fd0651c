"""What a store promises: envelopes around bodies it never reads, claims, compare-and-set, suspensions, write slots.

A body is opaque bytes. Every time is an argument, aware; a store reads no clock. A claim keeps workers out of each other's
way and is no fence: what counts is the revision. Implementations are in `rotator.stores`; tests/test_store_contract.py is the
one list of promises that each of them is held to.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

EVERYTHING = "*"
"""The subject of a suspension that holds all credentials."""

HISTORY = timedelta(days=90)
"""A line of a record's history is kept at least so long; no decision ever needs one."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a record's history: what a write to it was about. `line` is opaque here (see rotator.history)."""

    at: datetime
    line: bytes


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One record as the store sees it. `id`, `credential` and `kind` never change.

    `revision` rises with every claim, save and replace; `attempts` with every claim, until a save says otherwise. `entry`: what
    this write adds to the history; None in whatever is read.
    """

    id: str
    credential: str
    kind: str
    revision: int = 0
    wake_at: datetime | None = None
    attempts: int = 0
    claimed_by: str = ""
    claimed_until: datetime | None = None
    unfinished: bool = True
    body: bytes
    entry: Entry | None = None


class Suspension(msgspec.Struct, frozen=True, kw_only=True):
    """Automation is stopped for `subject`: a credential's e-mail address, or EVERYTHING."""

    subject: str
    by: str
    why: str
    at: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker must know before each write: whose the record is, at which revision, and who stopped automation."""

    claimed_by: str
    revision: int
    suspensions: tuple[Suspension, ...]


class Store(Protocol):
    """Where records live. Each method is one transaction.

    Raises: Transient when the store cannot be reached or stays busy, Permanent when it is damaged.
    """

    def create(self, envelope: Envelope) -> bool:
        """The record is there, unclaimed. False, and nothing changed, when its id was taken."""
        ...

    def get(self, record_id: str) -> Envelope | None:
        """The record, None when there is none."""
        ...

    def all(self, credential: str | None = None) -> tuple[Envelope, ...]:
        """Every record (of this credential), in the order of their creation."""
        ...

    def claim(self, record_id: str, worker: str, now: datetime, until: datetime) -> Envelope | None:
        """The record is `worker`'s until `until`: attempts and revision are one more.

        None when it is gone, or claimed past `now` by anybody, this worker included. Raises: ValueError without a worker.
        """
        ...

    def save(self, envelope: Envelope, *, worker: str, revision: int) -> Envelope | None:
        """Body, wake_at, attempts and unfinished are stored with revision + 1; the claim stays. Gives what is stored now.

        None when the revision moved or the claim is not `worker`'s. A claim that ran out and that nobody took still is.
        """
        ...

    def replace(self, envelope: Envelope, *, revision: int) -> Envelope | None:
        """As save, without a claim: for acts of people and withdrawals. A claim stays; its holder's next save is lost."""
        ...

    def standing(self, record_id: str, subjects: Collection[str]) -> Standing | None:
        """How the record stands, with the suspensions of these subjects, at one moment; None when there is no record."""
        ...

    def extend(self, record_id: str, worker: str, until: datetime) -> bool:
        """The claim lasts until `until`; the revision stays. False when it is not `worker`'s."""
        ...

    def release(self, record_id: str, worker: str) -> None:
        """The record is unclaimed, if it was `worker`'s; the revision stays."""
        ...

    def due(self, now: datetime) -> tuple[str, ...]:
        """Ids of unfinished records without a wake_at or with one not after `now`, oldest first; claimed ones too."""
        ...

    def history(self, record_id: str) -> tuple[Entry, ...]:
        """The lines of this record's history that are kept, oldest first; each stands for itself, beside the record."""
        ...

    def suspend(self, suspension: Suspension) -> None:
        """The subject is suspended; a suspension that was there already is replaced."""
        ...

    def resume(self, subject: str) -> bool:
        """The subject is not suspended. False when it was not before."""
        ...

    def suspensions(self) -> tuple[Suspension, ...]:
        """All suspensions, oldest first."""
        ...

    def reserve(self, garden: str, entries: int, now: datetime, per_second: float) -> datetime:
        """The Garden's next write slot is this caller's, for `entries` entries; gives its begin, never before `now`.

        Slots queue up over all processes, each entries / per_second seconds long. Raises: ValueError below one entry or at a
        pace of zero.
        """
        ...
