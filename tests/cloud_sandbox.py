"""`python -m cloud_sandbox [FOLDER]`: the house as it stands in the cloud, until Ctrl-C, and how to use it.

The sandbox's landscape, Google's emulators of Firestore and Pub/Sub, one process of functions-framework per door, and a little
Cloud Scheduler. Every line that a door logs about a record is shown, so that a rotation can be watched. Topics, subscriptions
and the job are as infra/*.tf makes them, so that `rotator doctor` finds what it asks for.
"""

import base64
import contextlib
import json
import shlex
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cloud_ground import CloudGround, ground
from emulators import Emulator, Unavailable
from real_garden.process import Failed
from rotator.delivery import FILTER
from sandbox import landscape
from sandbox.cloud import Cloud
from sandbox.control import Control

EVERY = 5.0
"""Seconds between two calls of the schedule; minutes in real life."""

INTERNAL = 13
"""google.rpc.Code of an attempt that was answered with anything but 200."""

RENEWAL = 600.0
"""Seconds between two renewals of the kubeconfigs' tokens."""

POLICY = {"exposed": "rotate", "waits": {**landscape.QUICK}}


def main() -> int:
    """It has served until a person had enough of it. 1 with one line when it could not."""
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="rotator-cloud-"))
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            house, cloud, control = _stand(stack, folder)
        except (Unavailable, Failed) as why:
            print(f"cloud-sandbox: {why}", file=sys.stderr)
            return 1
        _tell(house, cloud, control)
        _serve(house, cloud, folder)
    print("\nThe cloud is gone.")
    return 0


def _stand(stack: ExitStack, folder: Path) -> tuple[CloudGround, Cloud, Control]:
    _say("starting Google's emulators of Firestore and Pub/Sub ...")
    emulators = [Emulator(name, folder) for name in ("firestore", "pubsub")]
    for emulator in emulators:
        stack.callback(emulator.stop)
    firestore, pubsub = emulators
    _say("starting the sandbox and four doors ...")
    cloud = landscape.cloud()
    stack.callback(cloud.stop)
    for account in cloud.accounts:
        if account["email"] == landscape.PULLER:
            account["policy"]["mode"] = "automatic"
            account["policy"]["max_age"] = "120d"  # not due by its age, so that the event is what begins it
    cloud.google.notices.pubsub = pubsub.address
    control = Control(cloud)
    control.start()
    stack.callback(control.stop)
    addresses = {"pubsub": pubsub.address, "firestore": firestore.address}
    house = stack.enter_context(ground(folder, cloud, **addresses, policy=POLICY, passing=FILTER))
    house.environment["ROTATOR_SCHEDULE_JOB"] = job = f"projects/{house.pubsub.project}/locations/europe-west1/jobs/schedule"
    cloud.google.scheduler.jobs[job] = {"state": "ENABLED", "httpTarget": {"uri": house.doors["schedule"].url}}
    return house, cloud, control


def _schedule(house: CloudGround, cloud: Cloud) -> None:
    """Cloud Scheduler has called once, and tells how that went."""
    answer = house.schedule()
    jobs, name = cloud.google.scheduler.jobs, house.environment["ROTATOR_SCHEDULE_JOB"]
    status = {} if answer.status == HTTPStatus.OK else {"code": INTERNAL}
    jobs[name] = {**jobs[name], "lastAttemptTime": cloud.clock.now().isoformat(), "status": status}


def _tell(house: CloudGround, cloud: Cloud, control: Control) -> None:
    account = cloud.google.iam.account(landscape.PULLER)
    assert account is not None
    used = min(account.user_managed(), key=lambda key: key.valid_after)
    event = {
        "kind": "key-exposed",
        "service_account": landscape.PULLER,
        "key_id": used.key_id,
        "reason": "found in a public log",
    }
    message = json.dumps({"messages": [{"data": base64.b64encode(json.dumps(event).encode()).decode()}]})
    api = house.doors["api"].url
    exports = "\n".join(f"  export {name}={shlex.quote(value)}" for name, value in house.environment.items())
    print(f"""\
The house is up: Firestore, Pub/Sub, the sandbox's twelve Shoots, and the doors schedule, worker, events and api; the schedule
comes every {EVERY:.0f} s. In another terminal:

{exports}

  rotator doctor                        is all there that the doors need; "not told": an emulator does not play it
  rotator status                        where every record stands

  curl {api}/credentials                        who lives on which key

  somebody says that a key is in a public log; the policy says: rotate at once. Publish it, and watch below:

  curl -H 'Content-Type: application/json' -d '{message}' \\
    http://{house.pubsub.address}/v1/{house.expiry}:publish

  curl {api}/records                            where it stands
  curl -d '{{"seconds": 86400}}' {control.address}/clock     a day goes by; waits of days end
  curl -d '' {control.address}/window                  the maintenance window of the confined Shoot
  curl -d '' {control.address}/pull                    every cache pulls: does one fail?
  curl -H 'Content-Type: application/json' -d '{{"reason": "freeze"}}' {api}/suspend     stop everything; later: .../resume

  after a rotation the platform itself says when the next key is due: let 100 days pass, and Secret Manager publishes it.
  Logs of the doors: {house.folder}/*.log

Ctrl-C ends it and forgets everything.
""")
    sys.stdout.flush()


def _serve(house: CloudGround, cloud: Cloud, folder: Path) -> None:
    ended = threading.Event()
    since = 0.0
    seen: dict[str, int] = dict.fromkeys(house.doors, 0)
    said: dict[str, str] = {}
    with contextlib.suppress(KeyboardInterrupt):
        _schedule(house, cloud)
        while not ended.wait(0.5):
            since += 0.5
            if since % EVERY == 0:
                _schedule(house, cloud)
            if since % RENEWAL == 0:
                cloud.write_kubeconfigs(folder)
            for record, line in _news(house, seen):
                if said.get(record) != line:
                    said[record] = line
                    _say(line)


def _news(house: CloudGround, seen: dict[str, int]) -> Iterator[tuple[str, str]]:
    """What the doors have logged since the last look, each with the record that it is about."""
    for door in house.doors:
        lines = house.lines(door)
        for line in lines[seen[door] :]:
            if _matters(line):
                yield str(line.get("record", "")), f"{door:9}{line['message']}"
        seen[door] = len(lines)


def _matters(line: dict[str, Any]) -> bool:
    return line["severity"] not in {"DEBUG", "INFO"} or "record" in line


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
