"""A worker process for tests: one activation of one record, in real time, with a claim as long as it is told; then it ends.

python one_activation.py CONFIG RECORD CLAIM_SECONDS; the environment as the program's own. Says each state that it saved.
"""

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from rotator.settings import load
from rotator.states import name_of
from rotator.wiring import Wired


class Now:
    """The servers' time as long as nothing is waited for."""

    def __init__(self, wired: Wired) -> None:
        self._wired = wired

    def next(self, after: datetime | None) -> datetime | None:
        now = self._wired.clock.now()
        return now if after is None or after <= now else None


def main(config: str, record_id: str, claim: str) -> None:
    wired = Wired(load(Path(config), os.environ), claim=timedelta(seconds=float(claim)))
    wired.hear()
    for record in wired.service.run(wired.service.record(record_id), Now(wired)):
        print(name_of(record.state), flush=True)
    print("over", flush=True)
    wired.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
