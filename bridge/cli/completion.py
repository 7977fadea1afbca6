"""`heron-bridge completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from bridge.cli.terminal import sentences

NAME = "heron-bridge"
VARIABLE = "_HERON_BRIDGE_COMPLETE"
"""How click asks the command for completions."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@sentences
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  heron-bridge completion bash > ~/.local/share/bash-completion/completions/heron-bridge
    zsh:   heron-bridge completion zsh > a folder of $fpath, as _heron-bridge
    fish:  heron-bridge completion fish > ~/.config/fish/completions/heron-bridge.fish
    """
    from bridge.cli import main  # noqa: PLC0415 - that module names this one

    found = get_completion_class(shell)
    assert found is not None
    script = found(main, {}, NAME, VARIABLE)
    # Not .source(): for bash that starts a bash to look at its version.
    click.echo(script.source_template % script.source_vars())
