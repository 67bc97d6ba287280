"""Lab 3's picture: brokers as boxes side by side, their replicas in them, a row for each step.

    ┌ broker 1 ──────┐  ┌ broker 2 ──────┐      full colour    leads
    │ orders-0  ▪▪▪ 9│  │ orders-0  ▪▪▪ 9│      pale           in sync
    │ orders-1  ▪▪  4│  │                │      hatched        behind
    └────────────────┘  └────────────────┘      grey box       the broker is dead

Each partition keeps its colour, and each small square is a segment.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from .cluster_view import BrokerView, ClusterView, ReplicaView
from .pictures import FINISHED, OFFERED, WARNING, new_figure, save

Axes = Any

COLORS: Final = ("#1f77b4", "#e08e45", "#2ca02c", "#8e5ea2", "#c0392b", "#5b8c8c", "#b58900")
BOX_WIDTH: Final = 1.0
GAP: Final = 0.12
MAX_SQUARES: Final = 8


def draw_cluster(views: Sequence[ClusterView], lesson: str, stem: Path) -> list[Path]:
    """Draw all steps below each other. The files written."""
    broker_count = max(len(view.brokers) for view in views)
    rows = max(len(view.partitions) for view in views)
    figure = new_figure(width=2.9 * broker_count, height=(0.9 + 0.26 * rows) * len(views))
    axes = figure.subplots(len(views), 1, squeeze=False)
    for (panel,), view in zip(axes, views, strict=True):
        _draw_view(panel, view, broker_count, rows)
    return save(figure, lesson, [], stem)


def _draw_view(axes: Axes, view: ClusterView, broker_count: int, rows: int) -> None:
    axes.set_xlim(0, broker_count * (BOX_WIDTH + GAP))
    axes.set_ylim(-rows - 0.4, 1.2)
    axes.set_axis_off()
    axes.set_title(view.step, loc="left", fontsize="medium")
    for column, broker in enumerate(view.brokers):
        left = column * (BOX_WIDTH + GAP)
        _draw_broker(axes, broker, left, rows)
        for row, name in enumerate(view.partitions):
            replica = view.replica(name, broker.id)
            if replica is not None:
                _draw_replica(axes, replica, left, -row, COLORS[row % len(COLORS)], broker)


def _draw_broker(axes: Axes, broker: BrokerView, left: float, rows: int) -> None:
    from matplotlib.patches import Rectangle

    color = OFFERED if not broker.is_alive else FINISHED if broker.is_controller else "#333333"
    title = f"broker {broker.id}" + (", controller" if broker.is_controller else "")
    if not broker.is_alive:
        color, title = WARNING, f"broker {broker.id}, dead"
    face = "#f0f0f0" if not broker.is_alive else "white"
    box = Rectangle((left, -rows - 0.2), BOX_WIDTH, rows + 0.5, facecolor=face, edgecolor=color)
    axes.add_patch(box)
    axes.text(left, 0.45, title, fontsize="small", color=color)


def _draw_replica(
    axes: Axes, replica: ReplicaView, left: float, top: float, color: str, broker: BrokerView
) -> None:
    from matplotlib.patches import Rectangle

    is_leader = replica.role == "leader" and broker.is_alive
    is_behind = replica.role == "behind" or not broker.is_alive
    bar = Rectangle(
        (left + 0.03, top - 0.75),
        BOX_WIDTH - 0.06,
        0.8,
        facecolor=color,
        alpha=1.0 if is_leader else 0.15 if is_behind else 0.4,
        hatch="///" if is_behind else "",
    )
    axes.add_patch(bar)
    words = {"color": "white" if is_leader else "black", "fontsize": "x-small"}
    axes.text(left + 0.06, top - 0.5, replica.partition, **words)
    for number in range(min(replica.segment_count, MAX_SQUARES)):
        place = (left + 0.42 + 0.04 * number, top - 0.5)
        axes.add_patch(Rectangle(place, 0.025, 0.3, facecolor=words["color"]))
    if replica.end is not None:
        axes.text(left + BOX_WIDTH - 0.06, top - 0.5, f"{replica.end:,}", ha="right", **words)
