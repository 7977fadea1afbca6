from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner

from bridge.cli import COMMANDS, main
from tests.bridge.bridge_process import ROOT


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
