"""``sft-client prepare`` as people run it: killed at any moment, run again, stopped by Ctrl-C."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.prepare_logs import write_logs
from sft_shared.dialogue import read_examples

TIMEOUT_S = 60.0


def _as_on_a_terminal() -> None:
    """Ctrl-C counts, also where the tests themselves run in a shell's background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Home:
    """A log, its settings and the command over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_logs(folder / "shop.jsonl", num_bytes=1_500_000, seed=1)
        self.config = folder / "prepare.yaml"
        self.configure("out")

    def configure(self, out: str, *, workers: int = 2) -> None:
        self.out = self.folder / out
        self.work = self.out / ".work"
        self.config.write_text(
            "sources:\n  - {kind: jsonl, path: shop.jsonl, name: shop}\n"
            f"out: {out}\ndesensitise: {{key: key}}\n"
            f"unit_bytes: 100000\nbucket_bytes: 100000\nworkers: {workers}\n"
        )

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sft_client", "prepare", "--config", str(self.config)]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_as_on_a_terminal,
        )

    def run(self) -> str:
        """Run to the end and return what was shown on stderr."""
        process = self.start()
        shown, errors = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, errors
        assert shown == ""
        return errors

    def outputs(self) -> dict[str, str]:
        files = [path for path in self.out.iterdir() if path.is_file() and not path.name.startswith(".")]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def pieces(self, kind: str) -> list[Path]:
        """Finished pieces of work: units, repeats or parts."""
        return [path for path in self.work.glob(f"{kind}*/*") if not path.name.startswith(".")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("prepare"))


@pytest.fixture(scope="module")
def quiet(home: Home) -> dict[str, str]:
    """The outputs of a run that nobody disturbed."""
    home.configure("quiet")
    home.run()
    return home.outputs()


def wait_until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(("kind", "count"), [("units", 3), ("repeats", 2), ("parts", 1), ("parts", 6)])
def test_killed_and_run_again_the_result_is_the_same_to_the_byte(
    home: Home, quiet: dict[str, str], kind: str, count: int
) -> None:
    """kill -9 in each stage: finished pieces are not made again, and no worker outlives its parent."""
    home.configure(f"killed-{kind}-{count}")
    process = home.start()
    wait_until(lambda: len(home.pieces(kind)) >= count)
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(workers) == 2
    wait_until(lambda: not any(map(alive, workers)))
    assert not (home.out / "manifest.json").exists()
    made = {path: path.stat().st_mtime_ns for path in home.pieces("")}
    assert made
    again = home.start()
    redone: set[Path] = set()

    def ended() -> bool:
        for path, when in made.items():
            with contextlib.suppress(FileNotFoundError):
                redone.update([path] if path.stat().st_mtime_ns != when else [])
        return again.poll() is not None

    wait_until(ended)
    errors = again.communicate()[1]
    assert again.returncode == 0, errors
    assert not redone
    assert home.outputs() == quiet
    assert {path.name for path in home.work.iterdir()} == {"lock", ".sft-prepare-work"}


def test_a_worker_that_is_killed_ends_the_run_with_one_line(home: Home, quiet: dict[str, str]) -> None:
    """As by a kernel that is short of memory; the next run goes on."""
    home.configure("lost-worker")
    process = home.start()
    wait_until(lambda: len(home.pieces("units")) >= 2)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    errors = process.communicate(timeout=TIMEOUT_S)[1]
    assert process.returncode == 2
    assert "error: a worker process was killed by signal 9. Memory may have run out" in errors
    assert "Traceback" not in errors
    home.run()
    assert home.outputs() == quiet


def test_ctrl_c_ends_the_run_with_one_line(home: Home, quiet: dict[str, str]) -> None:
    """And nothing that was finished is lost."""
    home.configure("stopped")
    process = home.start()
    wait_until(lambda: len(home.pieces("units")) >= 2)
    workers = children(process.pid)
    for pid in (process.pid, *workers):  # a terminal sends it to all
        os.kill(pid, signal.SIGINT)
    errors = process.communicate(timeout=TIMEOUT_S)[1]
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "stopped; what is finished is kept. Run again to go on."
    assert "Traceback" not in errors
    assert not any(map(alive, workers))
    home.run()
    assert home.outputs() == quiet


def test_a_second_run_adds_nothing(home: Home, quiet: dict[str, str]) -> None:
    home.configure("quiet", workers=1)
    assert "nothing to do" in home.run()
    assert home.outputs() == quiet


def test_the_table_at_the_end_says_what_was_dropped_and_why(home: Home, quiet: dict[str, str]) -> None:
    home.configure("table", workers=1)
    shown = home.run()
    manifest = json.loads((home.out / "manifest.json").read_text())
    assert f"{manifest['counts']['records']['in']:,}" in shown
    assert "broken-json" in shown
    assert "The spilled raw text of this run is deleted." in shown
    assert home.outputs() == quiet
    assert len(list(read_examples(home.out / "examples.jsonl"))) > 100


def test_rejected_lines_and_an_open_folder_are_told_plainly(home: Home) -> None:
    """A run of which nothing is left ends with the rules that took it; files stay private."""
    home.configure("told", workers=1)
    (home.folder / "bad.jsonl").write_text("{}\n[]\n")
    home.config.write_text(home.config.read_text().replace("shop.jsonl", "bad.jsonl"))
    home.out.mkdir(mode=0o755)
    shown = home.run()
    assert "warning: every line of the logs was rejected" in shown
    assert "not-an-object 1" in shown
    assert "(mode 755); its files are readable by you only" in shown
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in home.out.iterdir() if path.is_file())


def test_a_mistake_in_the_settings_is_answered_with_its_line(home: Home) -> None:
    home.config.write_text("sources:\n  - {kind: jsonll, path: shop.jsonl}\nout: out\n")
    process = home.start()
    errors = process.communicate(timeout=TIMEOUT_S)[1]
    assert process.returncode == 2
    assert errors.startswith(f"error: {home.config}:2: sources.0.kind: found 'jsonll'. Allowed: jsonl, csv")
