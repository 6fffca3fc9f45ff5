"""kill -9 at any moment: the run resumes, little is lost, nothing is left lying about, and the result is the same."""

import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from nmt.storage.checkpoints import Checkpoints
from nmt.training.metrics_logger import read_rows
from tests import tiny_runs
from tests.run_files import find_differences, read_run_files
from tests.trust.conftest import RecordFigures
from tests.trust.worker import Kill
from tests.trust.workers import ProcessResult, build_words, read_facts, run_process, start_process, wait_for

INTERVAL = 4
LONG = (
    *tiny_runs.RANDOM_OVERRIDES,
    *("training.stop.steps=16", f"training.validation.every_steps={INTERVAL}", "training.log_every=1"),
    *("probes.sentences=1", "probes.shortest=1", "probes.longest=99", "average=ema"),
)
WRITES = 110
"""About twice as many changes on disk as a checkpoint takes, so that a kill among them is inside of one."""
EARLY = 0.2
"""How many of the kills at any time may come before training begins."""
KILLS = 20


class Chain:
    """One run, killed again and again until it is finished."""

    def __init__(self, home: Path, name: str, draw: random.Random, *more: str, careless: str | None = None) -> None:
        self.home, self.name, self.draw, self.careless = home, name, draw, careless
        self.words = build_words(home, name, *LONG, *more)
        self.kills = 0
        self.aimed = 0
        self.inside = 0
        self.lost = 0

    @property
    def folder(self) -> Path:
        return self.home / self.name

    def kill_inside(self) -> bool:
        """Kills a process at one of its changes on disk in checkpoints/; whether it came to that."""
        kill = Kill(self.draw.randrange(WRITES), "/checkpoints/", torn=self.draw.random() < 0.5)
        found = run_process(self.home, self.name, self.words, kill=kill, careless=self.careless)
        if (killed := found.find_fact("killed")) is not None:
            self.aimed += 1
            self.inside += ".writing-step" in killed
        return self.judge(found)

    def kill_any_time(self, seconds: float) -> bool:
        """Kills a process up to `seconds` after its training began, or, at times, after its start."""
        process = start_process(self.home, self.name, self.words, careless=self.careless)
        early = self.draw.random() < EARLY
        while process.is_alive() and not early and not any("litter" in t for t in read_facts(self.home, self.name)):
            time.sleep(0.01)
        time.sleep(self.draw.uniform(0, seconds))
        process.kill()
        return self.judge(wait_for(self.home, self.name, process))

    def judge(self, found: ProcessResult) -> bool:
        """What must hold after every process."""
        assert found.status in (0, -9), found.output
        assert found.find_fact("litter") in (None, []), found.find_fact("litter")
        if found.status == 0:
            return False
        self.kills += 1
        trained = max((row["step"] for row in read_rows(self.folder / "metrics.jsonl")), default=0)
        newest = Checkpoints(self.folder / "checkpoints", keep_last=1, keep_best=1).find_newest()
        saved = 0 if newest is None else int(newest.name.removeprefix("step-"))
        self.lost = max(self.lost, trained - saved)
        assert trained - saved <= INTERVAL
        return True

    def go(self, kills: int, seconds: float) -> None:
        """Kills until the run is finished or has been killed so often, then lets it finish."""
        alive = True
        while alive and self.kills < kills:
            alive = self.kill_inside() if self.kills % 2 == 0 else self.kill_any_time(seconds)
        last = run_process(self.home, self.name, self.words, careless=self.careless)
        assert last.status == 0, last.output
        assert last.find_fact("litter") in (None, []), last.find_fact("litter")  # None: it was finished


def whole(home: Path) -> tuple[dict[str, Any], float]:
    """What is left by a run that nothing stops, and about how many seconds two checkpoints take."""
    begun = time.monotonic()
    found = run_process(home, "whole", build_words(home, "whole", *LONG))
    assert found.status == 0, found.output
    return read_run_files(home / "whole"), (time.monotonic() - begun) / 4


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kills")


@pytest.fixture(scope="module")
def unstopped(home: Path) -> tuple[dict[str, Any], float]:
    return whole(home)


def test_kills_cost_little_and_leave_nothing(home: Path, unstopped: tuple[dict[str, Any], float]) -> None:
    wanted, seconds = unstopped
    chain = Chain(home, "killed", random.Random(1))
    chain.go(3, seconds)
    assert chain.kills >= 1
    assert find_differences(read_run_files(chain.folder), wanted) == []


def litter(careless: str | None, home: Path) -> None:
    chain = Chain(home, f"without {careless}", random.Random(1), f"training.stop.steps={INTERVAL}", careless=careless)
    found = run_process(home, chain.name, chain.words, kill=Kill(3, "/checkpoints/.writing-step"), careless=careless)
    assert chain.judge(found)
    chain.go(0, 0.0)


def test_what_is_left_lying_is_seen(tmp_path: Path) -> None:
    litter(None, tmp_path)
    with pytest.raises(AssertionError, match="writing-step"):
        litter("tidy", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_twenty_of_two_hundred_kills(
    part: int, home: Path, unstopped: tuple[dict[str, Any], float], measured: RecordFigures
) -> None:
    wanted, seconds = unstopped
    draw = random.Random(100 + part)
    chains: list[Chain] = []
    while (left_over := KILLS - sum(chain.kills for chain in chains)) > 0:
        chain = Chain(home, f"killed-{part}-{len(chains)}", draw)
        chain.go(left_over, seconds)
        chains.append(chain)
        assert find_differences(read_run_files(chain.folder), wanted) == []
        shutil.rmtree(chain.folder)
    kills, aimed, inside = (sum(getattr(c, name) for c in chains) for name in ("kills", "aimed", "inside"))
    assert kills == KILLS
    assert aimed >= KILLS // 2
    assert inside > 0
    measured(
        "2 kill -9",
        {
            "kills": kills,
            "runs that ended as if nothing had happened": len(chains),
            "kills at a change in checkpoints/": aimed,
            "of them in an unfinished checkpoint": inside,
            "most steps lost": max(chain.lost for chain in chains),
        },
    )
