"""How long a scan of 10,000 Shoots takes, against its floor and against the package's own list.

Run: python tests/bench/scan.py. The server is a process of its own, each measurement another fresh one; medians of three.
The floor is the same bytes over the same transport, unread, from two servers: one that has its pages ready and pushes them over
loopback at more than a gigabyte per second (no JSON decoder keeps up with that: skipping alone takes longer), and one that
encodes at the pace that gardener-apiserver was measured at (gardener.md section 11). The second is what a Garden is like.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "functions")]

COUNT = 10_000
CLIENT_COUNT = 1_000
ROUNDS = 3
PACE = 10_000.0
GOAL_RATIO = 1.5
GOAL_MB = 150.0
GOAL_CLIENT = 0.1
"""Ten times faster than the list of the `kubernetes` package."""


def peak_mb() -> float:
    """The most memory this process ever had; not by getrusage, which counts the process that started this one."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def measure(mode: str, port: str) -> None:
    """One measurement in this process; prints it."""
    from kubernetes import client as kubernetes

    from rotator.clients.calls import ServerClock
    from rotator.clients.garden import KubernetesGarden, pages
    from rotator.clients.garden.login import Login, static
    from rotator.clients.garden.request import GARDENER, Request

    login = Login.server(f"http://127.0.0.1:{port}", None, static("token"))
    garden = KubernetesGarden("bench", login, ServerClock())
    before, start = peak_mb(), time.perf_counter()
    match mode:
        case "floor":
            count = 0
            request: Request | None = Request("list", GARDENER, "shoots", "garden-bench", query={"limit": "250"})
            while request:
                token = pages._token(garden._transport.read(request))
                request = request.asking(**{"continue": token}) if token else None
        case "scan":
            count = len(garden.shoots("garden-bench"))
        case _:
            api, token, count = kubernetes.CustomObjectsApi(kubernetes.ApiClient(login.configuration)), "", 0
            while True:
                page: Any = api.list_namespaced_custom_object(
                    "core.gardener.cloud", "v1beta1", "garden-bench", "shoots", limit=250, _continue=token
                )
                count += len(page["items"])
                token = page["metadata"].get("continue", "")
                if not token:
                    break
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb() - before, "count": count}))


def rounds(mode: str, port: str) -> tuple[float, float, int]:
    """Median seconds and peak, and the number of Shoots seen."""
    command = [sys.executable, str(HERE / "scan.py"), mode, port]
    answers = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(ROUNDS)]
    seconds = statistics.median(answer["seconds"] for answer in answers)
    return seconds, statistics.median(answer["peak_mb"] for answer in answers), answers[0]["count"]


class Server:
    """The API server, while it is needed."""

    def __init__(self, count: int, pace: float = 0.0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "fleet.py"), str(count), str(pace)], stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> tuple[str, int]:
        assert self._process.stdout
        port, size = self._process.stdout.readline().split()
        return port, int(size)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def main() -> None:
    """Measure, print, and put the figures."""
    import figures

    with Server(COUNT) as (port, size):
        floor, _, _ = rounds("floor", port)
        scan, peak, count = rounds("scan", port)
    assert count == COUNT
    with Server(COUNT, PACE) as (port, _):
        paced_floor, paced = rounds("floor", port)[0], rounds("scan", port)[0]
    with Server(CLIENT_COUNT) as (port, _):
        client = rounds("client", port)[0] * COUNT / CLIENT_COUNT
    ratio, paced_ratio = scan / floor, paced / paced_floor
    print(f"{COUNT} Shoots, {size / 1e6:.0f} MB: floor {floor:.3f} s, scan {scan:.3f} s ({ratio:.2f}x), peak {peak:.0f} MB")
    print(f"at a real server's pace: floor {paced_floor:.2f} s, scan {paced:.2f} s ({paced_ratio:.2f}x)")
    print(f"kubernetes' own list: {client:.1f} s (scaled from {CLIENT_COUNT})")
    figures.put("scan_vs_floor", value=scan, unit="s", floor=floor, ratio=ratio, goal=GOAL_RATIO, met=ratio <= GOAL_RATIO)
    met = paced_ratio <= GOAL_RATIO
    figures.put("scan_vs_paced_floor", value=paced, unit="s", floor=paced_floor, ratio=paced_ratio, goal=GOAL_RATIO, met=met)
    met = scan / client <= GOAL_CLIENT
    figures.put("scan_vs_client", value=scan, unit="s", floor=client, ratio=scan / client, goal=GOAL_CLIENT, met=met)
    figures.put("scan_peak_mb", value=peak, unit="MB", goal=GOAL_MB, met=peak < GOAL_MB)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(*sys.argv[1:3])
    else:
        main()
