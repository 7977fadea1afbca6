"""`heron-bridge enable` and `heron-bridge disable`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bridge import installation
from bridge.address import TcpAddress, parse_address
from bridge.heron_home import HeronInstallation, InstallationError, Outcome
from bridge.plugin_jars import JAR_NAMES, JarNotBuilt

_heron_home = click.option(
    "--heron-home",
    required=True,
    envvar="HERON_HOME",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="Folder of the Heron installation, with conf and lib inside.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of sentences.")
_cluster = click.option(
    "--cluster",
    default="local",
    show_default=True,
    help="Cluster whose conf/CLUSTER/packing.yaml is changed.",
)


@click.command()
@_heron_home
@_cluster
@click.option(
    "--address",
    help="Where the bridge listens: host:port or unix:///absolute/path "
    f"[default: {installation.DEFAULT_ADDRESS}, or what is set already]",
)
@click.option(
    "--flavour",
    type=click.Choice(list(JAR_NAMES)),
    help="Package prefix of this Heron [default: found out from its jars]",
)
@click.option(
    "--health-manager",
    is_flag=True,
    help="Also let the cluster's health manager run the policy that asks the bridge.",
)
@json_option
def enable(  # noqa: PLR0917 - an option each
    heron_home: Path,
    cluster: str,
    address: str | None,
    flavour: str | None,
    health_manager: bool,
    as_json: bool,
) -> None:
    """Make a cluster of a Heron installation pack through the bridge.

    Copies the plugin into lib/packing and names it in the cluster's packing.yaml, where comments
    stay and the packing class that was configured becomes the fallback. The original file is kept
    as packing.yaml.heron-bridge-backup. Calling it again changes nothing, or the address.

    With --health-manager it also puts the plugin into the core package that containers start from,
    and names the health policy in the cluster's healthmgr.yaml.
    """
    if address is not None:
        try:
            parsed = parse_address(address)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--address") from None
        if isinstance(parsed, TcpAddress) and parsed.port == 0:
            raise click.BadParameter("nobody can reach port 0", param_hint="--address")
    _carry_out(
        lambda: installation.enable(
            HeronInstallation(heron_home, cluster), address, flavour, health_manager=health_manager
        ),
        as_json,
    )


@click.command()
@_heron_home
@_cluster
@json_option
def disable(heron_home: Path, cluster: str, as_json: bool) -> None:
    """Make a cluster of a Heron installation pack as it did before `enable`.

    Restores packing.yaml; where it was edited meanwhile, the edits stay and only the plugin's keys
    are taken back. Removes the plugin from lib/packing unless another cluster uses it. Takes the
    health policy out again, if --health-manager put it in.
    """
    _carry_out(lambda: installation.disable(HeronInstallation(heron_home, cluster)), as_json)


def _carry_out(work: Callable[[], Outcome], as_json: bool) -> Any:
    try:
        outcome = work()
    except (InstallationError, JarNotBuilt) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}")
    else:
        if as_json:
            told = {"changed": outcome.changed, "sentences": outcome.sentences}
            click.echo(json.dumps(told))
            return
        for sentence in outcome.sentences:
            click.echo(sentence)


def _fail(sentence: str) -> None:
    click.echo(f"heron-bridge: {sentence}", err=True)
    sys.exit(1)
