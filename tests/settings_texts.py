"""Texts of rotator.toml that tests put together, and what `load` makes of them."""

from pathlib import Path

import pytest

from rotator.errors import Invalid
from rotator.settings import Settings, load

HEAD = 'installation = "acme"\n'
GARDEN = '[[garden]]\nname = "live"\nkubeconfig = "live.yaml"\nnamespaces = ["garden-acme"]\n'
ACCOUNT = '[[account]]\nemail = "puller@acme-prod.iam.gserviceaccount.com"\n'
GOOD = HEAD + GARDEN + ACCOUNT
SERVER = '[[garden]]\nname = "live"\nnamespaces = ["garden-acme"]\nserver = "https://api.garden.example"\ntoken_env = "LIVE"\n'
SANDBOX = '[sandbox]\ngrpc = "127.0.0.1:8085"\nhttp = "http://127.0.0.1:8080"\n'


def loaded(tmp_path: Path, content: str, **environment: str) -> Settings:
    file = tmp_path / "rotator.toml"
    file.write_text(content)
    return load(file, {"HOME": "/home/ann", **environment})


def faults(tmp_path: Path, content: str, **environment: str) -> list[str]:
    with pytest.raises(Invalid) as refused:
        loaded(tmp_path, content, **environment)
    return [fault.replace(f"{tmp_path}/", "") for fault in refused.value.faults]
