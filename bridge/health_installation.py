"""Puts the health policy into a cluster's health manager, and takes it out again.

The plugin's jar goes into the core package that containers start from, and the policy into the
cluster's `healthmgr.yaml`, whose original stays beside it as a backup.
"""

from __future__ import annotations

from pathlib import Path

from bridge import flat_yaml
from bridge.core_package import CorePackage, core_package, put_jar, take_jar
from bridge.heron_home import (
    BACKUP_SUFFIX,
    COMMENT,
    HeronInstallation,
    InstallationError,
    Outcome,
    edited,
    parsed,
    read_yaml,
    write_text,
)

POLICY_CLASS = "org.heronbridge.health.BridgeHealthPolicy"
POLICY = "bridge"
POLICIES_KEY = "heron.class.health.policies"
CLASS_KEY = "health.policy.class"
MODE_KEY = "heron.topology.healthmgr.mode"
METRICS_KEY = "heron.healthmgr.metricsource.type"
METRICS_URL_KEY = "heron.healthmgr.metricsource.url"
METRICS_CACHE_KEY = "heron.topology.metricscachemgr.mode"
METRICS_URL = "http://localhost:8888"
METRICS_CACHE = "org.apache.heron.healthmgr.sensors.MetricsCacheMetricsProvider"
NO_FILE = "# There was no such file before `heron-bridge enable`.\n"
"""The backup then."""
OWN_KEYS = (MODE_KEY, METRICS_KEY, METRICS_URL_KEY, METRICS_CACHE_KEY)


def healthmgr_yaml(heron: HeronInstallation) -> Path:
    """The cluster's file."""
    return heron.packing_yaml.with_name("healthmgr.yaml")


def backup(heron: HeronInstallation) -> Path:
    """The file as it was, or NO_FILE."""
    path = healthmgr_yaml(heron)
    return path.with_name(path.name + BACKUP_SUFFIX)


def enable_policy(heron: HeronInstallation, flavour: str, jar: Path, outcome: Outcome) -> None:
    """Make the cluster's health manager run the policy, for topologies submitted from now on.

    Raises InstallationError where the health manager could not load it: in Heron up to 0.17, and
    where containers start from a package that is not on this machine. Nothing is changed then.
    """
    if not flavour.startswith("org.apache."):
        raise InstallationError(
            "the health manager of Heron up to 0.17 has another Dhalion, so that the policy cannot "
            "be loaded there; leave --health-manager out"
        )
    core, path = core_package(heron), healthmgr_yaml(heron)
    if core.path is None:
        raise InstallationError(_by_hand(core, path, jar.name))
    text, values = read_yaml(path) if path.is_file() else (NO_FILE, {})
    named = _names_policy(values)
    if POLICY in values and not named:
        raise InstallationError(
            f"{path} has a policy of the name {POLICY!r} that is not {POLICY_CLASS}; give it "
            "another name"
        )
    changed = text if named else _enabled(path, text.removeprefix(NO_FILE))
    # The jar first: a health manager does not start when the class of a policy is not there.
    if put_jar(core, jar):
        outcome.did(f"put {jar.name} into {core.path}")
    if not named:
        like = path if path.is_file() else heron.packing_yaml
        write_text(backup(heron), text, like=like)
        write_text(path, changed, like=like)
        outcome.did(f"{path} now names {POLICY_CLASS}; the original is {backup(heron)}")


def disable_policy(heron: HeronInstallation, outcome: Outcome) -> None:
    """Make the cluster's health manager run what it did before."""
    path, before = healthmgr_yaml(heron), backup(heron)
    if path.is_file():
        text, values = read_yaml(path)
        if before.is_file():
            original = read_yaml(before)[0]
            if text != _enabled(path, original.removeprefix(NO_FILE)):
                write_text(path, _reverted(path, text, parsed(before, original)))
                told = "was edited since it was enabled: the edits stay, the policy is gone"
            elif original == NO_FILE:
                path.unlink()
                told = "is gone: there was none before"
            else:
                write_text(path, original)
                told = "is the original again"
            outcome.did(f"{path} {told}")
        elif _names_policy(values):
            write_text(path, _reverted(path, text, values))
            outcome.did(f"the policy is gone from {path}; there was no backup to restore")
    before.unlink(missing_ok=True)
    core = core_package(heron)
    users = _users(heron, core)
    if not users and take_jar(core):
        outcome.did(f"took the plugin out of {core.path}")


def _users(heron: HeronInstallation, core: CorePackage) -> list[str]:
    """Clusters whose health manager needs the plugin in the same package."""
    return [
        other.cluster
        for other in (HeronInstallation(heron.home, name) for name in heron.clusters())
        if healthmgr_yaml(other).is_file()
        and POLICY_CLASS.encode() in healthmgr_yaml(other).read_bytes()
        and core_package(other).path == core.path
    ]


def _names_policy(values: dict[str, object]) -> bool:
    policies = values.get(POLICIES_KEY)
    blocks = [values.get(str(name)) for name in policies] if isinstance(policies, list) else []
    return any(isinstance(b, dict) and b.get(CLASS_KEY) == POLICY_CLASS for b in blocks)


def _enabled(path: Path, original: str) -> str:
    """The original with the policy; depends on nothing else, so it can be recognised."""
    values = parsed(path, original)
    changes = {} if values.get(MODE_KEY) == "cluster" else {MODE_KEY: "cluster"}
    if values.get(METRICS_KEY) is None:
        changes[METRICS_KEY] = METRICS_CACHE
        changes[METRICS_URL_KEY] = METRICS_URL
    metrics = changes.get(METRICS_KEY, values.get(METRICS_KEY))
    if metrics == METRICS_CACHE and values.get(METRICS_CACHE_KEY) != "cluster":
        changes[METRICS_CACHE_KEY] = "cluster"
    text = edited(path, original, changes)
    try:
        text = flat_yaml.with_item(text, POLICIES_KEY, POLICY, COMMENT)
        return flat_yaml.with_block(text, POLICY, {CLASS_KEY: POLICY_CLASS}, COMMENT)
    except flat_yaml.UnreadableYaml as error:
        raise InstallationError(f"{path}: {error}") from None


def _reverted(path: Path, text: str, originals: dict[str, object]) -> str:
    """The text without the policy, and with the original values of the keys beside it."""
    values = parsed(path, text)
    try:
        policies = values.get(POLICIES_KEY)
        if isinstance(policies, list) and POLICY in policies:
            text = flat_yaml.without_item(text, POLICIES_KEY, POLICY)
        if POLICY in values:
            text = flat_yaml.without_block(text, POLICY, COMMENT)
    except flat_yaml.UnreadableYaml as error:
        raise InstallationError(f"{path}: {error}") from None
    gone = [key for key in OWN_KEYS if key in values and key not in originals]
    if parsed(path, text).get(POLICIES_KEY, "") is None and POLICIES_KEY not in originals:
        gone.append(POLICIES_KEY)
    back = {
        key: str(originals[key])
        for key in OWN_KEYS
        if originals.get(key) is not None and originals[key] != values.get(key)
    }
    return edited(path, text, back, gone)


def _by_hand(core: CorePackage, path: Path, jar: str) -> str:
    """What to do where containers start from a package elsewhere, such as an image."""
    return (
        f"containers start from {core.text}, which is no package on this machine; put {jar} into "
        f"the image of the containers, and these lines into {path}:\n"
        f"{MODE_KEY}: cluster\n"
        f"{METRICS_KEY}: {METRICS_CACHE}\n"
        f"{METRICS_URL_KEY}: {METRICS_URL}\n"
        f"{METRICS_CACHE_KEY}: cluster\n"
        f"heron.classpath.healthmgr: ./heron-core/lib/healthmgr/*:/path/to/{jar}\n"
        f"{POLICIES_KEY}:\n"
        f"  - {POLICY}\n"
        f"{POLICY}:\n"
        f"  {CLASS_KEY}: {POLICY_CLASS}"
    )
