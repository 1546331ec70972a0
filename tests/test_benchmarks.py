"""The benchmark of the hot path counts what it says it counts."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from benchmarks.timing import Block, Spread, Timings, Variant, interleave, time_block

ROOT = Path(__file__).parents[1]

#: Sets the calls of a block before any part reads it.
SMALL = """
import tests.benchmarks.timing as timing
timing.BLOCK_CALLS = 20
from tests.benchmarks.__main__ import main
main()
"""


def use_processor(seconds):
    """Use processor time in a thread of its own, and wait for it."""

    def work():
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_block_counts_the_background_and_sets_apart_what_comes_later():
    """Processor time of other threads counts until everything is written; what is done after that is on its own."""
    variant = Variant("", lambda _: None, lambda: use_processor(0.02), settle=lambda: use_processor(0.04))

    block = time_block(variant, range(2))

    assert block.written - block.wall >= 0.01e9
    assert block.processor >= 0.01e9
    assert block.later >= 0.02e9


def test_awaited_calls_run_within_a_loop():
    """One after the other, each to its end."""
    seen = []

    async def call(number):
        seen.append(number)

    time_block(Variant("", call, is_async=True), range(3))

    assert seen == [0, 1, 2]


def test_each_block_runs_between_two_of_the_yardstick():
    """In every round, one of each variant."""
    order = []
    variants = [Variant(name, lambda _, name=name: order.append(name)) for name in "ab"]

    timings = interleave(variants, Variant("", lambda _: order.append("-")), [0], rounds=3)

    rounds = ["".join(order[start : start + 5]) for start in range(0, len(order), 5)]
    assert set(rounds) <= {"-a-b-", "-b-a-"}
    assert all(len(timing.blocks) == len(timing.pace) == 3 for timing in timings.values())


def test_what_an_option_adds_is_compared_within_a_round():
    """A machine that is slower in one round changes neither the differences nor the quartiles."""
    paces = [Block(10, 10, 10, 0), Block(30, 30, 30, 0)]
    plain = Timings([Block(20, 20, 20, 5), Block(60, 60, 60, 15)], paces)
    with_option = Timings([Block(25, 25, 25, 5), Block(75, 75, 75, 15)], paces)

    assert with_option.beyond(plain) == [Block(0.5, 0.5, 0.5, 0.0)] * 2
    assert with_option.over(plain).written == Spread(1.25, 1.25, 1.25)


@pytest.mark.slow
def test_figures_of_a_run_are_written_as_json(tmp_path):
    """Every variant and option, the machine, how busy it was, and each target."""
    path = tmp_path / "figures.json"
    command = [sys.executable, "-c", SMALL, "hot_path", "options", "--rounds", "2", "--json", path]

    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    figures = json.loads(path.read_text("utf-8"))
    assert {"learning_instrument, batch", "bare SDK span + OTLP exporter"} <= set(
        figures["parts"]["hot_path"]["awaited"]
    )
    assert figures["parts"]["hot_path"]["plain"]["bare SDK span"]["times"]["written"]["median"] > 0
    assert any(option["name"] == "capture_content=False" for option in figures["parts"]["options"])
    assert set(figures["busy"]) == {"hot_path", "options"}
    assert all(target["what"] in printed for target in figures["targets"])
    assert "learning_instrument" in figures["versions"]


FLEET = """
from tests.benchmarks import fleet
measured = fleet.measure(200)
fleet.show(measured)
for taken in measured:
    assert 0 < taken.wire_bytes < taken.encoded_bytes
    assert min(taken.export_us, taken.insert_us, taken.insert_bytes) > 0
    assert taken.disk_bytes.keys() >= {"otel_traces", "learning_instrument_executions"}
assert measured[0].encoded_bytes < measured[1].encoded_bytes
"""


@pytest.mark.slow
def test_fleet_is_measured_on_its_whole_way():
    """From spans to tables on disk: every figure is one of something."""
    done = subprocess.run([sys.executable, "-c", FLEET], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert "10,000 executions a second" in done.stdout
