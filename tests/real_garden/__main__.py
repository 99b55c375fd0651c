"""`python -m real_garden [FOLDER]`: the real API servers stay up with a landscape, until Ctrl-C, and say how to use them."""

import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from real_garden.build import Unavailable
from real_garden.build import main as build
from real_garden.cloud import RealCloud, configured, populated
from real_garden.landscape import Landscape
from real_garden.process import Failed
from sandbox import landscape

RENEWAL = 600.0
"""Seconds between two renewals of the kubeconfigs' tokens."""


def main() -> int:
    """The servers have run until a person had enough of them. 1 with one line when they could not."""
    if build():
        return 1
    with tempfile.TemporaryDirectory(prefix="rotator-real-garden-") as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        try:
            with Landscape(Path(temporary)) as real:
                cloud = populated(real)
                try:
                    _tell(real, cloud, folder, time.monotonic() - began)
                    _wait(cloud, folder)
                finally:
                    cloud.stop()
        except (Unavailable, Failed) as why:
            print(f"real-garden: {why}", file=sys.stderr)
            return 1
    return 0


def _tell(real: Landscape, cloud: RealCloud, folder: Path, seconds: float) -> None:
    config = configured(cloud, folder)
    print(f"""\
The real API servers are up ({seconds:.0f} s): Kubernetes, Gardener, the extension's webhook, Gardener's reference controller;
twelve Shoots in three projects. Gardenlets and all of Google are stand-ins; no image is pulled. In another terminal:

  export KUBECONFIG={real.plane.kubeconfig()}
  kubectl get shoots,secrets -A         as the administrator
  kubectl --kubeconfig {folder / "kubeconfig-live.yaml"} -n {landscape.PAYMENTS} get shoots
                                        with the rotator's own minimal Role

  export ROTATOR_CONFIG={config}
  export ROTATOR_STATE={folder / "state.db"}
  rotator discover                      what is out there
  rotator rotate puller                 a rotation; then: rotator run --once, rotator status

  {landscape.CONFINED[1]}/{landscape.CONFINED[2]} takes its new Secret in its maintenance window only; open it with
  kubectl -n {landscape.SEARCH} annotate shoot {landscape.CONFINED[2]} gardener.cloud/operation=reconcile

Waits that are days are seconds here. Ctrl-C ends it and forgets everything.""")
    sys.stdout.flush()


def _wait(cloud: RealCloud, folder: Path) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        while not ended.wait(RENEWAL):
            cloud.write_kubeconfigs(folder)
    except KeyboardInterrupt:
        pass
    print("\nThe servers are gone.")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
