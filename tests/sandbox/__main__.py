"""`python -m sandbox [FOLDER]`: the sandbox stays up with the landscape, until Ctrl-C, and says how to use it."""

import sys
import tempfile
import threading
from pathlib import Path

from sandbox import landscape
from sandbox.control import Control

CALLS = (
    ("curl -d '{{\"seconds\": 86400}}' {0}/clock", "a day goes by in the sandbox"),
    ("curl -d '' {0}/pull", "every cache pulls: does one fail?"),
    ("curl {0}/state", "who runs which key"),
    ("curl '{0}/operations?since=0'", "all that happened"),
    ('curl -d \'{{"service": "iam", "answer": "UNAVAILABLE", "times": 3}}\' {0}/faults', ""),
)
"""What else to try, and what for; {0} is the address of the sandbox's control."""

RENEWAL = 600.0
"""Seconds between two renewals of the kubeconfigs' tokens."""


def table(address: str) -> str:
    """The calls, and what each is for in a column of its own."""
    calls = [(call.format(address), says) for call, says in CALLS]
    width = max(len(call) for call, says in calls if says)
    return "\n".join(f"  {call:<{width}}  {says}".rstrip() for call, says in calls)


def main() -> None:
    """The sandbox has served until a person had enough of it."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="rotator-sandbox-")).resolve()
    cloud = landscape.cloud()
    control = Control(cloud)
    control.start()
    config = cloud.write_config(folder, waits=landscape.QUICK)
    print(f"""\
The sandbox is up: two Gardens, three service accounts, twelve Shoots. In another terminal:

  export ROTATOR_CONFIG={config}
  export ROTATOR_STATE={folder / "state.db"}

  rotator doctor                        is everything there that the rotator needs
  rotator discover                      what is out there
  rotator plan puller                   what a rotation would do, and when
  rotator rotate puller                 do it, and watch it; kill it and go on with: rotator run
  rotator run                           retire the old key, too; its waits are days, so let them pass
  rotator status                        what is live, what is replaced, when each next step may happen

{table(control.address)}

  live/{landscape.SEARCH}/crawler takes its new Secret in its maintenance window only: curl -d '' {control.address}/window

Ctrl-C ends it and forgets everything.""")
    sys.stdout.flush()
    ended = threading.Event()
    try:
        while not ended.wait(RENEWAL):
            cloud.write_kubeconfigs(folder)
    except KeyboardInterrupt:
        print("\nThe sandbox is gone.")
    finally:
        control.stop()
        cloud.stop()


if __name__ == "__main__":
    main()
