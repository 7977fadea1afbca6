"""The file with Heron's own costs: written by a calibration, shipped with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from packing.errors import InvalidRequest
from packing.model.costs import HeronCosts

FORM = "heron-costs/1"
SHIPPED = Path(__file__).resolve().parent / "data" / "heron-0.20.5-costs.json"


@dataclass(frozen=True)
class CostFile:
    """Costs, what they were fitted to, and the same without each workload."""

    costs: HeronCosts
    runs: tuple[str, ...]
    residuals: Mapping[str, Mapping[str, float]]
    without: Mapping[str, HeronCosts] = field(default_factory=dict)
    """Workload -> costs fitted to the runs of all others: what a prediction of that workload may
    use to be judged by its measurements."""

    def not_fitted_to(self, workload: str) -> HeronCosts:
        """Costs that owe nothing to the runs of `workload`."""
        return self.without.get(workload, self.costs)


@lru_cache(maxsize=1)
def shipped_costs() -> CostFile:
    """The file that comes with the package."""
    return load_costs(SHIPPED)


def load_costs(path: Path) -> CostFile:
    """Read a cost file. Raises InvalidRequest naming the file and what is wrong."""
    try:
        raw: dict[str, Any] = json.loads(path.read_bytes())
        if raw["form"] != FORM:
            raise InvalidRequest(f"{path} has form {raw['form']!r}; this version reads {FORM}")
        version = str(raw["version"])
        return CostFile(
            HeronCosts.of(version, raw["costs"]),
            tuple(raw["runs"]),
            raw["residuals"],
            {
                workload: HeronCosts.of(f"{version} without {workload}", values)
                for workload, values in raw["without"].items()
            },
        )
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} is not a cost file: it is not JSON: {error}") from None
    except KeyError as error:
        raise InvalidRequest(
            f"{path} is not a cost file, as `heron-bridge calibrate` writes it: it has no {error}"
        ) from None
    except (TypeError, AttributeError, ValueError) as error:
        raise InvalidRequest(
            f"{path} is not a cost file, as `heron-bridge calibrate` writes it: {error}"
        ) from None


def write_costs(path: Path, file: CostFile) -> None:
    """Write a cost file, with figures rounded to what the fit can tell.

    Raises InvalidRequest when it cannot be written.
    """

    def rounded(costs: HeronCosts) -> dict[str, float]:
        return {name: float(f"{value:.4g}") for name, value in costs.values().items()}

    document = {
        "form": FORM,
        "version": file.costs.version,
        "units": "cores for *_cores, CPU seconds per event for *_s, with 1 GiB of free heap for "
        "*_gib_s",
        "costs": rounded(file.costs),
        "residuals": {
            what: {name: round(value, 4) for name, value in figures.items()}
            for what, figures in file.residuals.items()
        },
        "runs": list(file.runs),
        "without": {workload: rounded(costs) for workload, costs in file.without.items()},
    }
    try:
        path.write_text(json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from None


def residual_to_json(residual: Any) -> dict[str, float]:
    """A residual of a fit as numbers by name."""
    return {name: float(value) for name, value in asdict(residual).items()}
