"""The command `heron-bridge`.

A command's module is imported when the command is called, so that the others, and the help, do not
wait for it.
"""

from __future__ import annotations

import importlib

import click
from click.shell_completion import CompletionItem

# Name of the command -> where it is, and its line in the help.
COMMANDS = {
    "serve": ("bridge.cli.serve:serve", "Run the service that Heron asks for plans."),
    "compare": ("bridge.cli.compare:compare", "Every planner's plan for a workload, side by side."),
    "plan": ("bridge.cli.plan:plan", "The best plan for a workload."),
    "predict": ("bridge.cli.predict:predict", "What a given plan would do."),
    "whatif": ("bridge.cli.whatif:whatif", "A topology under other circumstances."),
    "advise": ("bridge.cli.advise:advise", "How many instances a rate takes, with a plan."),
    "accuracy": ("bridge.cli.accuracy:accuracy", "The model held against measured runs."),
    "calibrate": ("bridge.cli.accuracy:calibrate", "Fit Heron's own costs to measured runs."),
    "enable": ("bridge.cli.installation:enable", "Put the plugin into a Heron installation."),
    "disable": ("bridge.cli.installation:disable", "Take the plugin out again."),
    "completion": ("bridge.cli.completion:completion", "The completion script of a shell."),
}


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module_name, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module_name), attribute)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, without importing any."""
        found = [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found or super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="heron-bridge", prog_name="heron-bridge")
def main() -> None:
    """Predict what a packing plan of Apache Heron will do before it is deployed."""
