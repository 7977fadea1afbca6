from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli import COMMANDS, main
from tests.bridge.bridge_process import ROOT
from tests.packing.build import DATA

SMALL = str(DATA / "topologies" / "dag2-10.json")
ALONE = [sys.executable, "-m", "bridge"]
FULL = Path("/dev/full")


def test_help_lists_every_command_and_every_command_has_help() -> None:
    runner = CliRunner()
    overview = runner.invoke(main, ["--help"])
    assert overview.exit_code == 0
    for name, (_, line) in COMMANDS.items():
        assert f"{name} " in overview.output
        assert line.split()[0] in overview.output
        result = runner.invoke(main, [name, "--help"])
        assert result.exit_code == 0, result.output


def test_help_waits_for_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys\n"
        "from bridge.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(*sorted({'grpc', 'pydantic', 'numpy', 'rich', 'asyncio'} & sys.modules.keys()))\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert output.splitlines()[-1] == ""


def test_a_command_that_does_not_exist_is_an_error() -> None:
    result = CliRunner().invoke(main, ["bake"])
    assert result.exit_code == 2
    assert "bake" in result.output


@pytest.mark.skipif(not FULL.exists(), reason="no file here that takes nothing")
@pytest.mark.parametrize(
    "arguments", [("plan", SMALL), ("compare", SMALL, "--json"), ("completion", "bash")]
)
def test_output_that_cannot_be_written_is_one_sentence(arguments: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        found = subprocess.run(
            [*ALONE, *arguments], cwd=ROOT, check=False, stdout=full, stderr=subprocess.PIPE
        )
    assert found.returncode == 1
    assert found.stderr == (
        b"heron-bridge: the output cannot be written: No space left on device\n"
    )


def test_a_reader_that_has_seen_enough_hears_no_complaint() -> None:
    with subprocess.Popen(
        [*ALONE, "plan", SMALL], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
