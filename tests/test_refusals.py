"""When a credential lives on its key, so that no rotation is needed, and when it does not."""

from datetime import timedelta

from house import BASE, EMAIL, NAMESPACE, House, house
from rotator import books
from rotator.record import Record
from rotator.wiring import Wired


def asked(h: House, w: Wired, to: str, *, new: bool = False) -> Record:
    return w.service.rotate(EMAIL, h.now(), by="ann", why="a test", to=to, new=new)


def test_a_rotation_to_the_key_that_is_lived_on_is_the_one_that_brought_it() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        done = h.rotate(w)
        key = str(books.key_of(done))

        assert asked(h, w, key[:8]).id == f"{BASE}-r1"
        assert asked(h, w, key[:8], new=True).id == f"{BASE}-r2"


def test_it_lives_on_its_key_until_another_one_is_due() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        assert w.service.living(EMAIL, h.now()) is None
        h.rotate(w)
        young = w.service.living(EMAIL, h.now())
        h.clock.advance(timedelta(days=90).total_seconds())
        w = h.wire()
        old = w.service.living(EMAIL, h.now())

        assert (young is not None and young.due, old is not None and old.due) == (False, True)


def test_a_dead_key_is_not_lived_on() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        done = h.rotate(w)
        key = next(k for k in w.service.look(h.now(), EMAIL).credentials[0].keys if k.key.public_key == books.key_of(done))
        h.google.iam.change_by_hand(key.key.id, "disabled")

        assert w.service.living(EMAIL, h.now()) is None


def test_a_shoot_on_a_key_that_nobody_retires_needs_a_rotation() -> None:
    with house() as h:
        h.populate(2)
        w = h.wire()
        h.rotate(w)
        h.live.create_secret(NAMESPACE, "by-hand", password=h.hand_made_key()[1])
        h.shoot("late", "by-hand")

        assert w.service.living(EMAIL, h.now()) is None
        assert w.service.rotate(EMAIL, h.now(), by="ann", why="a test").id == f"{BASE}-r2"
