"""Histories of fleets: one Garden is down, or one namespace is closed to us, and the others go on."""

from house import EMAIL, House, house
from rotator.record import PLACE
from rotator.states import Done, Draining, Published
from sandbox.faults import Fault
from stories import OLD, V1, begin, finished, key_states, names, on, retirement_of, told, until

CLOSED = Fault(service="garden:dev", answer="403", text="the webhook authorizer is down", times=0)
DOWN = Fault(service="garden:dev", answer="503", text="no leader", times=0)


def two_gardens(h: House, fault: Fault = CLOSED) -> tuple[str, int]:
    """A Shoot in each of two Gardens lives on the same key; the second Garden is not to be read. Gives key id and fault."""
    key_id, key_file = h.populate(1)
    garden = h.add_garden("dev", "garden-dev")
    garden.create_secret("garden-dev", OLD, password=key_file)
    h.shoot("far", OLD, namespace="garden-dev", garden="dev")
    return key_id, h.faults.add(fault)


def far(h: House) -> list[str]:
    return names(h, "far", namespace="garden-dev", garden="dev")


def test_a_garden_that_cannot_be_read_keeps_nobody_else_on_the_old_key_and_joins_when_it_can() -> None:
    with house() as h:
        _, fault = two_gardens(h)
        w = h.wire()

        record = on(h, w, until(h, w, begin(h, w), "Published"), 8)

        assert names(h, "shoot-0") == [V1]
        assert isinstance(record.state, Published)
        assert record.attempts == 0
        assert "403" in told(record)
        assert "rotator waive" not in told(record)

        h.clock.advance(25 * 3600)
        record = on(h, w, record)

        assert f"rotator waive {record.id}" in told(record)

        h.faults.remove(fault)
        record = h.carry(w, record.id)

        assert isinstance(record.state, Done)
        assert far(h) == [V1]
        assert set(finished(h, w).values()) == {"Done", "Gone"}


def test_a_garden_that_is_down_costs_one_wait_however_many_namespaces_it_has() -> None:
    with house() as h:
        _, fault = two_gardens(h, DOWN)
        for number in range(5):
            h.add_namespace("dev", f"garden-dev-{number}")
        w = h.wire()
        before = len(h.operations.since())

        found = w.service.look(h.now())

        assert [view.shoot.ref.name for view in found.credentials[0].shoots] == ["shoot-0"]
        assert len(found.unread) == 1
        assert "503" in found.unread[0]
        assert found.unread[0].count("garden-dev-") == 5
        asked = {o.target for o in h.operations.since(before) if o.service == "garden:dev"}
        assert len(asked) == 1
        h.faults.remove(fault)


def test_no_key_is_taken_away_while_a_garden_cannot_be_read() -> None:
    with house() as h:
        key_id, fault = two_gardens(h)
        w = h.wire()
        h.faults.remove(fault)
        assert isinstance(h.rotate(w).state, Done)
        retirement = retirement_of(h, w, key_id)
        h.faults.add(CLOSED)

        for _ in range(30):
            retirement = on(h, w, retirement, 1)
            h.clock.advance(86400)

        assert isinstance(retirement.state, Draining)
        assert key_states(h)[key_id] == "enabled"


def test_a_schedule_begins_what_is_due_although_a_garden_cannot_be_read() -> None:
    with house() as h:
        two_gardens(h)
        h.clock.advance(400 * 86400)
        w = h.wire()

        begun, found = w.service.tick(h.now())

        assert [record.order.credential for record in begun] == [EMAIL]
        assert "403" in "; ".join(found.unread)


def test_a_place_that_is_gone_for_good_is_given_up_by_a_person() -> None:
    with house() as h:
        two_gardens(h)
        w = h.wire()
        record = on(h, w, until(h, w, begin(h, w), "Published"), 8)

        record = w.service.waive(record.id, "dev/garden-dev", h.now(), by="a person", why="that Garden was dismantled")

        assert f"{PLACE}dev/garden-dev" in record.confirmed
        assert isinstance(h.carry(w, record.id).state, Done)


def test_nothing_begins_when_no_garden_answers() -> None:
    with house() as h:
        h.populate(1)
        w = h.wire()
        record = until(h, w, begin(h, w), "Published")
        h.faults.add(Fault(service="garden:*", answer="503", text="no leader", times=0))

        record = on(h, w, record, 1)

        assert names(h, "shoot-0") == [OLD]
        assert "503" in told(record)
        assert record.attempts > 0


def test_a_garden_without_gardeners_api_hides_no_other() -> None:
    """The wrong kubeconfig: a cluster that knows no Shoots answered 404, and `discover` showed nothing at all."""
    with house() as h:
        two_gardens(h, Fault(service="garden:dev", method="LIST shoots", answer="404", text="page not found", times=0))
        w = h.wire()

        found = w.service.look(h.now())

        assert [view.shoot.ref.name for view in found.credentials[0].shoots] == ["shoot-0"]
        assert len(found.unread) == 1
        assert "404" in found.unread[0]


def test_a_garden_that_goes_down_among_its_secrets_is_no_garden_that_lost_them() -> None:
    """Its Shoots were read and their Secrets not: nothing may be concluded about those, and nobody is moved on that ground."""
    with house() as h:
        _, fault = two_gardens(h)
        h.faults.remove(fault)
        w = h.wire()
        record = until(h, w, begin(h, w), "Verified")
        h.faults.add(Fault(service="garden:dev", method="GET secrets", answer="500", text="no leader", times=0))

        record = on(h, w, record, 3)

        assert names(h, "shoot-0") == [V1]
        assert far(h) == [OLD]
        assert isinstance(record.state, Published)
        assert "500" in told(record)
