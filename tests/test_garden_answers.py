"""What a Garden answers, word for word: the sandbox and the real API servers against what the real ones once said."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import figures
from garden_answers import CASES, EXPECTED, asked, lay
from real_disagreements import FIXED, KEPT
from real_ground import Ground, on_real, on_sandbox

if TYPE_CHECKING:
    from real_garden.landscape import Landscape

SAID: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    if request.param == "sandbox":
        with on_sandbox() as built:
            yield lay(built)
    else:
        landscape: Landscape = request.getfixturevalue("landscape")
        with on_real(landscape) as built:
            yield lay(built)


@pytest.mark.parametrize("case", CASES)
def test_every_garden_answers_the_same(ground: Ground, case: str) -> None:
    differs = case in {one.case for one in KEPT} and "sandbox" in type(ground.server).__module__

    answer = asked(case, ground)

    # A kept disagreement that is gone must leave the list.
    assert (answer != SAID[case]) is differs, answer
    assert answer[:2] == SAID[case][:2]


def test_every_disagreement_that_was_mended_is_held_by_a_case() -> None:
    contract = Path(__file__).with_name("test_garden_contract.py").read_text(encoding="utf-8")
    tests = set(re.findall(r"^def (test_\w+)", contract, re.MULTILINE))

    assert [one.case for one in (*FIXED, *KEPT) if one.case not in CASES.keys() | tests] == []
    figures.put("real_disagreements_fixed", value=len(FIXED), unit="answers of the sandbox")
