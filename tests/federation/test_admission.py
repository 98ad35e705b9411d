"""Who takes part: registered nodes over TLS, and nobody else."""

from __future__ import annotations

import json
import time

from .conftest import Federation, Process, free_port, wait_for

REVOKED_WITHIN_S = 60.0


def test_only_registered_nodes_over_tls_take_part_until_they_are_revoked(federation: Federation) -> None:
    """Four outsiders knock at a running server; each is refused for its own reason and told why.

    The same stranger is let in once it is registered, so it is the registration that kept it out.
    """
    federation.configure(cycle={"interval_s": 2, "quorum": 1, "deadline_s": 120})
    federation.server("keys", "init")
    federation.add_client("good")
    federation.add_client("stranger", register=False)
    _give_a_foreign_ca(federation, "misled")
    server = federation.start_server()
    good = federation.start_client("good")
    stranger, misled = federation.start_client("stranger"), federation.start_client("misled")
    plain = _start_plaintext_node(federation, "plain")

    wait_for("a word to the stranger", lambda: "nodes add" in stranger.output(), within_s=120, alive=stranger)
    wait_for("a word on the CA", lambda: "not by the CA" in misled.output(), within_s=120, alive=misled)
    wait_for(
        "the plaintext node's failure",
        lambda: "retrying" in plain.output().lower(),
        within_s=120,
    )
    first = federation.wait("update-accepted", node="good", within_s=120, alive=good)
    federation.wait("cycle-promoted", cycle=first["cycle"] + 2, within_s=60, alive=server)
    assert {entry["node"] for entry in federation.events("asked")} == {"good"}
    for outsider in ("stranger", "misled"):
        assert not federation.client_events(outsider, "connected")
    assert "SuperNode ID" not in plain.output()

    federation.server("nodes", "add", str(federation.folder / "stranger" / "node.json"))
    federation.wait("update-accepted", node="stranger", within_s=120, alive=stranger)

    revoked_at = time.time()
    federation.server("nodes", "revoke", "good")
    out = federation.wait("node-revoked", node="good", within_s=REVOKED_WITHIN_S, alive=server)
    assert out["time"] - revoked_at < REVOKED_WITHIN_S
    wait_for(
        "the revoked node to notice",
        lambda: "does not let node 'good' in" in good.output(),
        within_s=REVOKED_WITHIN_S,
        alive=good,
    )
    assert time.time() - revoked_at < REVOKED_WITHIN_S
    last = max(entry["cycle"] for entry in federation.events("cycle-opened"))
    federation.wait("cycle-promoted", cycle=last + 2, within_s=60, alive=server)
    late = [
        entry for entry in federation.events("update-accepted", node="good") if entry["time"] > out["time"]
    ]
    assert not late
    assert "good" not in {update.node for update in federation.updates(last + 1)}


def _give_a_foreign_ca(federation: Federation, name: str) -> None:
    """A registered node that trusts the CA of another federation."""
    other = Federation(federation.folder / "other", model=federation.model)
    other.folder.mkdir()
    other.configure()
    other.server("keys", "init")
    settings = federation.add_client(name)
    card = json.loads((federation.state / "federation.json").read_text())
    card["ca_cert"] = json.loads((other.state / "federation.json").read_text())["ca_cert"]
    foreign = federation.folder / "foreign.json"
    foreign.write_text(json.dumps(card))
    text = settings.read_text().replace(str(federation.state / "federation.json"), str(foreign))
    settings.write_text(text)


def _start_plaintext_node(federation: Federation, name: str) -> Process:
    """Flower's own SuperNode without TLS and without a key, which its own side would refuse to use."""
    return federation.start(
        name,
        "flower-supernode",
        "--insecure",
        "--isolation=process",
        f"--superlink=127.0.0.1:{federation.port}",
        f"--port={free_port()}",
        "--max-retries=3",
    )
