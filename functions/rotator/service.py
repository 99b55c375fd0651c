"""The verbs that all doors share: what people and schedules may ask for. Each gives values back; none prints or sleeps."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from rotator import books, due, inventory, orders, refusals
from rotator.errors import Invalid, Permanent, Unreadable
from rotator.guard import Sending
from rotator.hint import Hint
from rotator.history import Line
from rotator.hold import suspended
from rotator.key import Email, PublicKey, short
from rotator.ledger import Ledger
from rotator.notice import Noticed, charge_of, emergency
from rotator.record import (
    PLACE,
    PROPOSED,
    Evidence,
    Fact,
    Place,
    Record,
    RetirementOrder,
    Waiver,
    may_be_id,
)
from rotator.runbook import CLAIM, Laps, run
from rotator.shoot import Shoot
from rotator.states import Disabled, Disabling, Draining, Reenabled, Reenabling, name_of
from rotator.store import Store, Suspension
from rotator.view import Charge, Inventory
from rotator.world import World


class Service:
    """The rotator over one store, one configuration and a world that is made anew for each activation."""

    def __init__(
        self,
        *,
        installation: str,
        charges: Sequence[Charge],
        places: Sequence[Place],
        store: Store,
        make_world: Callable[[Email | None], World],
        pace: Callable[[Sending], None] = lambda _: None,
        worker: str = "rotator",
        claim: timedelta = CLAIM,
        told: Callable[[Record], None] = lambda _: None,
    ) -> None:
        """Talk to nobody yet.

        `make_world`: neighbours for one account, or to look at all, with one fresh token that is never refreshed.
        `pace`: asked ahead of every mutating call. `worker`: a name that no other service has; each
        activation adds a number of its own. `claim`: how long an activation that says nothing holds its record.
        `told`: hears each record that is ordered, superseded, or changed by a person; those that `run` saves it yields.
        """
        self.installation = installation
        self.charges = tuple(charges)
        self.places = tuple(places)
        self.store = store
        self.ledger = Ledger(store, places, told)
        self._worker = worker
        self._activations = itertools.count(1)
        self._claim = claim
        self._unique_ids: dict[str, str] = {}
        self._make_world = make_world
        self._pace = pace

    # --- reading ---

    def look(self, now: datetime, only: Email | None = None) -> Inventory:
        """What is out there, of one credential or of all. Raises: Invalid for an account that is nowhere."""
        records, _ = self.ledger.every(only)
        found = inventory.take(self.charges, self.places, records, self._make_world(only), now, only=only)
        if only is not None and not found.credentials:
            raise Invalid((f"credential {only}: neither rotator.toml nor any Secret in scope names it; see: rotator discover",))
        return found

    def records(self, credential: Email | None = None) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """All records (of one credential) that can be read, and a line for each that cannot."""
        return self.ledger.every(credential)

    def record(self, record_id: str) -> Record:
        """One record by its id. Raises: Invalid for an unknown id."""
        found = self.ledger.get(record_id)
        if found is None:
            raise Invalid((f"record {record_id}: there is none of this id; see: rotator status",))
        return found

    def history(self, record_id: str) -> tuple[Line, ...]:
        """What happened to this record, oldest first, as far back as it is kept."""
        return self.ledger.history(record_id)

    def credential(self, word: str) -> Email:
        """The one credential that a person means: its address, its base name, or a part that only one has. Raises: Invalid."""
        records, _ = self.ledger.every()
        emails = {charge.email: charge.base for charge in self.charges}
        emails |= {record.order.credential: record.order.base for record in records}
        exact = [email for email, base in emails.items() if word in (email, base)]
        near = exact or [email for email in emails if word in email]
        if len(near) == 1:
            return near[0]
        if not near and may_be_id(word):
            raise Invalid((f"record {word}: there is none of this id; see: rotator status",))
        if not near:
            raise Invalid((f"credential {word}: rotator.toml names no such account; see: rotator discover",))
        raise Invalid((f"credential {word}: it could be {', '.join(sorted(near))}; say which",))

    # --- beginning ---

    def rotate(
        self, credential: Email, now: datetime, *, by: str, why: str, to: str | None = None, new: bool = False
    ) -> Record:
        """The unfinished rotation of this credential, or the one that begins now.

        `to` the key that it lives on already: the rotation that brought it; with `new` it is gone through once more.
        Again: the same record, until it is finished; `to` another key, or `new`, begins one that supersedes it.
        Raises: Invalid for a mode or key that does not allow it, and while it is suspended.
        """
        charge = self._charge(credential)
        if charge.policy.mode == "observe":
            raise Invalid(
                (f'rotating {credential}: its mode is "observe"; set mode = "manual" or "automatic" in rotator.toml',)
            )
        if stop := refusals.stopped(self.store.suspensions(), credential):
            raise Invalid((f"rotating {credential}: {stop}",))
        records, _ = self.records(credential)
        target = self._target(credential, to, now) if to else None
        for record, order in reversed(books.rotations(records)):
            if record.unfinished and not new and (target is None or order.to == target):
                proposed = record.blocked is not None and record.blocked.code == PROPOSED
                return self.retry(record.id, now, by=by, why=why) if proposed else record
        found = self.look(now, credential)
        view = found.credentials[0]
        if target and not new and (lives := refusals.living(view, records, now)) and lives.public_key == target:
            return lives.rotation
        if not view.shoots and not records:
            if found.unread:
                raise Unreadable(f"rotating {credential}: {'; '.join(found.unread)}")
            raise Invalid((f"rotating {credential}: no Shoot in scope uses it; see: rotator discover",))
        return orders.rotation(self.ledger, self.installation, charge, view, records, now, by=by, why=why, to=target)

    def living(self, credential: Email, now: datetime) -> refusals.Living | None:
        """The key that this credential lives on, when its newest rotation brought it and it works on; looked at only then."""
        records, _ = self.records(credential)
        newest = books.rotations(records)[-1:]
        if not newest or newest[0][0].unfinished:
            return None
        return refusals.living(self.look(now, credential).credentials[0], records, now)

    def tick(self, now: datetime, only: Email | None = None, most: int | None = None) -> tuple[tuple[Record, ...], Inventory]:
        """What is due has begun: rotations in automatic mode, retirements in manual and automatic mode. Gives the new records.

        In manual mode a rotation that is urgent, because Shoots live on a dead key, is in the books and waits for a person.
        A place that cannot be read stops nothing: what it hides joins when it is seen, and keeps every gate shut until then.
        `most`: with so many begun, the credentials that are left wait for the next tick.
        Again: nothing is due twice; ids are computed, so two schedules that tick at once begin the same record once.
        """
        found = self.look(now, only)
        begun: list[Record] = []
        for view in found.credentials:
            if most is not None and len(begun) >= most:
                break
            if view.charge is None or view.charge.policy.mode == "observe" or suspended(self.store, view.email):
                continue
            records, unreadable = self.records(view.email)
            if unreadable:  # one of them may claim the very key that would be rotated or retired
                found = msgspec.structs.replace(found, unread=(*found.unread, *unreadable))
                continue
            if not view.listed:
                found = msgspec.structs.replace(found, unread=(*found.unread, *view.hindrances[:1]))
            reason = due.rotation(view, records, now)
            automatic = view.charge.policy.mode == "automatic"
            if reason is not None and view.shoots and (automatic or reason.urgent):
                by, why = orders.SCHEDULE, reason.why
                order = orders.rotation(self.ledger, self.installation, view.charge, view, records, now, by=by, why=why)
                begun.append(order)
                records, _ = self.records(view.email)
            for public_key in due.retirements(view, records):
                begun += orders.retirement(self.ledger, self.installation, view.charge, public_key, view, records, now)
        return tuple(begun), found

    def notice(self, hint: Hint, now: datetime) -> Noticed:
        """We have looked at the credential that the hint means, and what is due has begun. See `rotator.notice`.

        Raises: RotatorError when IAM, the Gardens or the books could not be asked; the hint may come again.
        """
        charge = charge_of(hint, self.charges, self._unique_id)
        if charge is None:
            whom = hint.account or hint.secret
            return Noticed(outcome="unknown", said=f"{hint.said}: rotator.toml names no account {whom}")
        if charge.policy.mode == "observe":
            return Noticed(credential=charge.email, outcome="observed", said=f'{hint.said}: the mode is "observe"')
        if held := suspended(self.store, charge.email):
            return Noticed(credential=charge.email, outcome="observed", said=f"{hint.said}: {held}")
        if hint.kind == "exposed":
            records = self.ledger.records(charge.email)
            seen = self.look(now, charge.email)
            found = emergency(self.ledger, self.installation, charge, seen, hint, records, now)
            if found.outcome != "looked":
                return found
            said = found.said
        else:
            said = hint.said
        begun, _ = self.tick(now, charge.email)
        ids = tuple(record.id for record in begun)
        return Noticed(credential=charge.email, outcome="began" if ids else "looked", said=said, records=ids)

    def _unique_id(self, charge: Charge) -> str:
        """Never another one while the account lives, so it is asked for once."""
        if charge.email not in self._unique_ids:
            self._unique_ids[charge.email] = (
                self._make_world(charge.email).accounts.account(charge.email, charge.project).unique_id
            )
        return self._unique_ids[charge.email]

    # --- going on ---

    def run(self, record: Record, laps: Laps) -> Iterator[Record]:
        """Each saved state of this record, as far as the budget reaches, with suspension and pace asked before every write."""
        worker = f"{self._worker}:{next(self._activations)}"
        yield from run(record, self._make_world(record.order.credential), self.store, laps, worker, self._claim, self._pace)

    def due(self, now: datetime) -> tuple[str, ...]:
        """Ids of records that should be carried on now."""
        return self.store.due(now)

    # --- acts of people ---

    def retry(self, record_id: str, now: datetime, *, by: str, why: str) -> Record:
        """The record goes on from where it rests; a confirmation that it waited for is given.

        Raises: Invalid for a record that is finished, or that no person is asked about.
        """
        record = self.record(record_id)
        if refused := refusals.of_retry(record):
            raise Invalid((f"retrying {record_id}: {refused}",))
        confirmed = record.confirmed
        if record.blocked and record.blocked.code.startswith("confirm-"):
            confirmed = (*confirmed, record.blocked.code.removeprefix("confirm-"))
        state = Draining(since=now) if isinstance(record.state, Reenabled) else record.state
        return self._act(
            msgspec.structs.replace(record, state=state, rest=None, attempts=0, confirmed=confirmed),
            record,
            now,
            "retry",
            by,
            why,
        )

    def waive(self, record_id: str, shoot: str, now: datetime, *, by: str, why: str) -> Record:
        """The person takes responsibility for one Shoot that has not settled: the record no longer waits for it.

        `shoot`: garden/namespace/name; or garden/namespace, for a place that cannot be read any more.
        Raises: Invalid for a record that is finished, a Shoot that is not in scope or has settled, or without a reason.
        """
        record = self.record(record_id)
        if not record.unfinished:
            raise Invalid((f"waiving {shoot} for {record_id}: {refusals.finished(record)}",))
        if not why:
            raise Invalid((f"waiving {shoot} for {record_id}: say why with --reason; it stays in the evidence",))
        # A waiver answers for a Shoot; a step that waits for a person's yes still waits for it.
        rest = record.rest if record.blocked and record.blocked.code.startswith("confirm-") else None
        if shoot.count("/") == 1:
            given_up = (*record.confirmed, f"{PLACE}{shoot}")
            return self._act(
                msgspec.structs.replace(record, confirmed=given_up, rest=rest), record, now, f"waived {shoot}", by, why
            )
        found = [each for each in self._all_shoots() if str(each.ref) == shoot]
        if not found:
            raise Invalid((f"waiving {shoot} for {record_id}: no such Shoot in scope; write it as garden/namespace/name",))
        if refused := refusals.of_waiver(record, found[0], self.records(record.order.credential)[0]):
            raise Invalid((f"waiving {shoot} for {record_id}: {refused}",))
        waivers = (*record.waivers, Waiver(shoot=found[0].ref, by=by, why=why, at=now))
        return self._act(msgspec.structs.replace(record, waivers=waivers, rest=rest), record, now, f"waived {shoot}", by, why)

    def reenable(self, word: str, now: datetime, *, by: str, why: str) -> Record:
        """The retirement of this key (public key, or one of its ids) is turned back: the key is being enabled.

        Raises: Invalid when no retirement is in a state from which the key can come back.
        """
        records, _ = self.ledger.every()
        found = [record for record in reversed(records) if self._takes_away(word, record, now)]
        keys = {record.order.public_key for record in found if isinstance(record.order, RetirementOrder)}
        if len(keys) > 1:
            raise Invalid((f"reenabling {word}: it could be {', '.join(sorted(map(short, keys)))}; say more of it",))
        for record in found[:1]:
            state = record.state
            if isinstance(state, Disabling | Disabled | Reenabling):
                after = msgspec.structs.replace(record, state=Reenabling(fence=state.fence, by=by), rest=None, attempts=0)
                return self._act(after, record, now, f"{name_of(state)} -> Reenabling", by, why)
        raise Invalid((f"reenabling {word}: {books.why_no_way_back(records, word)}",))

    def _takes_away(self, word: str, record: Record, now: datetime) -> bool:
        """The record is a retirement, not too far to turn back, of the key that the word means."""
        if not isinstance(record.order, RetirementOrder) or not isinstance(record.state, Disabling | Disabled | Reenabling):
            return False
        return record.order.public_key.startswith(word) or record.id == word or self._is_id_of(word, record, now)

    def _is_id_of(self, word: str, record: Record, now: datetime) -> bool:
        """The word begins an id of the key that this retirement takes away: by its books, or, before it is disabled, by IAM."""
        if isinstance(record.state, Disabled):
            return any(key_id.startswith(word) for key_id in record.state.ids)
        order = record.order
        keys = [key.key for view in self.look(now, order.credential).credentials for key in view.keys]
        return isinstance(order, RetirementOrder) and any(
            key.id.startswith(word) and key.public_key == order.public_key for key in keys
        )

    def suspend(self, subject: str, now: datetime, *, by: str, why: str) -> None:
        """Automation is suspended for this credential or, with "*", for everything: no write is sent any more."""
        self.store.suspend(Suspension(subject=subject, by=by, why=why, at=now))

    def resume(self, subject: str) -> bool:
        """Automation goes on; False when it was not suspended."""
        return self.store.resume(subject)

    def _act(self, after: Record, before: Record, now: datetime, what: str, by: str, why: str) -> Record:
        entry = Evidence(at=now, what=what, by=by, facts=(Fact("why", why or "no reason given"),))
        saved = self.ledger.replace(
            msgspec.structs.replace(after, evidence=(*before.evidence, entry)), revision=before.revision
        )
        if saved is None:
            raise Permanent(
                f"{what} {before.id}: it moved on meanwhile; look again: rotator describe {before.id}", code="moved-on"
            )
        return saved

    def _charge(self, credential: Email) -> Charge:
        for charge in self.charges:
            if charge.email == credential:
                return charge
        raise Invalid((f"credential {credential}: rotator.toml does not let us touch this account; add it under [[account]]",))

    def _target(self, credential: Email, word: str, now: datetime) -> PublicKey:
        view = self.look(now, credential).credentials[0]
        keys = {key.key.public_key for key in view.keys if key.key.public_key.startswith(word) or key.key.id.startswith(word)}
        if len(keys) == 1:
            key = keys.pop()
            if not any(secret.public_key == key for secret in view.secrets):
                lost = "no Secret in scope holds it any more, so its private half is lost; begin a new one: rotator rotate"
                raise Invalid((f"rotating {credential} to {word}: {lost} {credential}",))
            return key
        known = ", ".join(f"{short(key.key.id)} (public key {short(key.key.public_key)})" for key in view.keys)
        found = "several keys" if keys else "no key"
        raise Invalid((f"rotating {credential} to {word}: {found} of that name; IAM has {known or 'none'}",))

    def _all_shoots(self) -> list[Shoot]:
        world = self._make_world(None)
        return [shoot for place in self.places for shoot in world.gardens[place.garden].shoots(place.namespace)]
