"""What was measured: every value of every round, its median, a markdown table, a JSON file.

    section ("Throughput, MB/s")  >  row ("produce 1 KiB, ...")  >  column ("tansu")  >  values

The first column is what the others are compared with: a table ends in one ratio for each other.
"""

import json
import os
import platform
import statistics
import sys
from pathlib import Path

MISSING = "-"


class Report:
    """Collects values in the order in which sections, rows and columns first appear."""

    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._sections: dict[str, dict[str, dict[str, list[float]]]] = {}

    def add(self, section: str, row: str, column: str, value: float) -> None:
        """Record one value of one round."""
        rows = self._sections.setdefault(section, {})
        rows.setdefault(row, {}).setdefault(column, []).append(value)

    def markdown(self) -> str:
        """Return one table per section, of medians and their ratios to the first column's."""
        return "\n\n".join(
            _table(section, rows, self._columns) for section, rows in self._sections.items()
        )

    def write_json(self, path: Path, rounds: int) -> None:
        """Write all values and medians, and what machine they are from."""
        medians = {
            section: {
                row: {
                    column: {"median": statistics.median(values), "values": values}
                    for column, values in cells.items()
                }
                for row, cells in rows.items()
            }
            for section, rows in self._sections.items()
        }
        document = {"machine": _machine(), "rounds": rounds, "sections": medians}
        path.write_text(json.dumps(document, indent=1) + "\n")


def _table(section: str, rows: dict[str, dict[str, list[float]]], columns: list[str]) -> str:
    first, *others = columns
    ratios = [f"{first} / {other}" for other in others]
    lines = [f"| {section} | " + " | ".join([*columns, *ratios]) + " |"]
    lines.append("|---|" + "---:|" * (len(columns) + len(ratios)))
    for row, cells in rows.items():
        medians = {column: statistics.median(values) for column, values in cells.items()}
        texts = [_number(medians.get(column)) for column in columns]
        texts += [_ratio(medians.get(first), medians.get(other)) for other in others]
        lines.append(f"| {row} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(value: float | None, other: float | None) -> str:
    if value is None or not other:
        return MISSING
    return f"{value / other:.2f}"


def _machine() -> dict[str, object]:
    return {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "processor": platform.machine(),
    }
