"""How many calls a rotation makes, from the sandbox's log: what grows with Shoots, and what does not.

Run: python tests/bench/calls.py. Two houses live through the same rotation and the retirement of the old key, one with 10 and
one with 40 Shoots in two namespaces; all Shoots but the canary move in one wave, so both take the same steps. What the larger
one asks more is what grows: divided by the Shoots it has more it is the figure `calls_per_shoot`. The least is 1, the PATCH.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "functions")]

import msgspec  # noqa: E402

import figures  # noqa: E402
from house import POLICY, House  # noqa: E402
from rotator.policy import Waves  # noqa: E402
from sandbox.operations import Operation  # noqa: E402

FEW, MANY = 10, 40
ELSEWHERE = "garden-acme-too"
GOAL = 1.0
WAVES = Waves(canary=1, growth=1000.0, per_seed=1000, limit=1000)


def history(shoots: int, folder: Path) -> tuple[list[Operation], list[Operation]]:
    """What a rotation of so many Shoots asked of its neighbours, and what the whole asked, with the retirement."""
    house = House(folder, policy=msgspec.structs.replace(POLICY, waves=WAVES))
    try:
        _, key_file = house.populate(shoots - shoots // 2)
        house.add_namespace("live", ELSEWHERE)
        house.live.create_secret(ELSEWHERE, "ar-credentials", password=key_file)
        for number in range(shoots // 2):
            house.shoot(f"other-{number}", "ar-credentials", namespace=ELSEWHERE)
        wired, start = house.wire(), len(house.operations.since())
        house.rotate(wired)
        rotation = _asked(house, start)
        start = len(house.operations.since())
        records = house.whole(wired)
        assert not any(record.unfinished for record in records), [record.state for record in records]
        assert not house.violations()
        return rotation, _asked(house, start)
    finally:
        house.close()


def _asked(house: House, start: int) -> list[Operation]:
    return [each for each in house.operations.since(start) if not each.service.startswith("gardenlet:")]


def counted(asked: list[Operation]) -> Counter[tuple[str, str]]:
    """How often each call was made."""
    return Counter((each.service.partition(":")[0], each.method) for each in asked)


def table(title: str, few: Counter[tuple[str, str]], many: Counter[tuple[str, str]]) -> None:
    """Both houses side by side; what differs has a star."""
    print(f"\n{title:46}{FEW:>6}{MANY:>6} Shoots")
    for call in sorted(many | few):
        print(f"  {' '.join(call):44}{few[call]:6}{many[call]:6}{'  *' if few[call] != many[call] else ''}")
    print(f"  {'all':44}{few.total():6}{many.total():6}")


def main() -> None:
    """Measure, print, and put the figures."""
    with tempfile.TemporaryDirectory() as folder:
        few = [counted(part) for part in history(FEW, Path(folder, "few"))]
        many = [counted(part) for part in history(MANY, Path(folder, "many"))]
    for title, small, large in zip(("the rotation", "the retirement"), few, many, strict=True):
        table(title, small, large)
    more = sum(large.total() - small.total() for small, large in zip(few, many, strict=True)) / (MANY - FEW)
    print(f"\ncalls that grow with Shoots: {more:g} for each; the least is {GOAL:g}, the PATCH")
    figures.put("calls_per_shoot", value=more, unit="calls", floor=GOAL, ratio=more / GOAL, goal=GOAL, met=more <= GOAL)
    figures.put("calls_of_a_rotation", value=many[0].total(), unit=f"calls, {MANY} Shoots")
    figures.put("calls_of_a_retirement", value=many[1].total(), unit=f"calls, {MANY} Shoots")


if __name__ == "__main__":
    main()
