"""client.yaml: what is wrong in it is answered with file, line and field."""

from __future__ import annotations

from typing import Any

import pytest

from sft_client.config import ClientConfig
from sft_shared.config import load_yaml
from sft_shared.errors import ConfigError, FedsftError


def test_paths_count_from_the_file(home: Any) -> None:
    """A relative path lies beside client.yaml, wherever the command runs."""
    config = home.config
    assert config.train == home.data
    assert config.layout.outbox == home.folder / "state" / "outbox"
    assert config.runtime_port == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Site A"}, "name: found 'Site A'"),
        ({"name": "../up"}, "name: found '../up'"),
        ({"name": None}, "name: missing"),
        ({"train": None}, "train: missing"),
        ({"runtime_port": 70000}, "runtime_port: found 70000"),
        ({"insecure": True}, "insecure: unknown field"),
    ],
)
def test_wrong_settings_are_named(home: Any, changes: dict[str, Any], words: str) -> None:
    """There is no way to ask for a connection without TLS, either."""
    home.configure(**changes)
    with pytest.raises(ConfigError, match=r"client\.yaml:\d") as caught:
        load_yaml(home.settings, ClientConfig)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ca_cert": "-----BEGIN CERTIFICATE-----\njunk"}, "ca_cert: not a PEM certificate"),
        ({"order_key": "junk"}, "order_key: not a base64 Ed25519 public key"),
        ({"address": "somewhere"}, "address"),
        ({"insecure": True}, "insecure"),
    ],
)
def test_a_spoilt_federation_card_is_named(home: Any, changes: dict[str, Any], words: str) -> None:
    """A certificate or key that cannot be read stops the node before anything is contacted."""
    home.write_card("federation.json", **changes)
    with pytest.raises(FedsftError, match=words) as caught:
        home.open()
    assert "federation.json" in str(caught.value)
