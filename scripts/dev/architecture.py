"""Draw docs/architecture.svg: the kernel's subpackages on their layers, from the imports.

.venv/bin/python scripts/dev/architecture.py [FILE]

Floors are the layers of the import contract in pyproject.toml. An arrow is a direct import; those
that a longer path of arrows implies are left out.
"""

import sys
import tomllib
from pathlib import Path

import grimp
import matplotlib as mpl
import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "galaxyzoo"
WIDTH, HEIGHT = 2.5, 0.62  # of a room, where floors are 1.25 apart
FLOOR_GAP, ROOM_GAP = 1.25, 2.9


def main() -> None:
    """Read the imports, draw, write."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "architecture.svg"
    sys.path.insert(0, str(ROOT / "src"))
    floors = read_floors()
    places = {
        room: ((i - (len(rooms) - 1) / 2) * ROOM_GAP, -floor * FLOOR_GAP)
        for floor, rooms in enumerate(floors)
        for i, room in enumerate(rooms)
    }
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": PACKAGE})
    figure = Figure(figsize=(9.6, 10.4), layout="tight")
    axes = figure.subplots()
    axes.set_axis_off()
    for upper, lower in arrows():
        draw_arrow(axes, places[upper], places[lower])
    for room, place in places.items():
        draw_room(axes, room, place)
    for floor in range(len(floors)):
        height = -floor * FLOOR_GAP
        axes.text(-5.1, height, str(len(floors) - floor), color="#999999", va="center", size=13)
    axes.set_xlim(-5.4, 5.4)
    axes.set_ylim(-(len(floors) - 1) * FLOOR_GAP - 0.6, 0.6)
    figure.savefig(target, metadata={"Date": None})
    print(target)


def read_floors() -> list[list[str]]:
    """Rooms of each floor, top floor first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    return [layer.split(" | ") for layer in contract["layers"] if layer != "extras"]


def arrows() -> list[tuple[str, str]]:
    """(importing room, imported room), without those that longer ways imply."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    rooms = nx.DiGraph()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            upper, lower = (name.split(".")[1:2] for name in (module, imported))
            if upper and lower and upper != lower and "extras" not in upper + lower:
                rooms.add_edge(upper[0], lower[0])
    return sorted(nx.transitive_reduction(rooms).edges)


def draw_room(axes: Axes, room: str, place: tuple[float, float]) -> None:
    """A box with the room's name, its subfolders, and the number of modules."""
    x, y = place
    box = FancyBboxPatch(
        (x - WIDTH / 2, y - HEIGHT / 2),
        WIDTH,
        HEIGHT,
        boxstyle="round,pad=0.02,rounding_size=0.1",
        facecolor="#eef3fa",
        edgecolor="#33557f",
    )
    axes.add_patch(box)
    axes.text(x, y + 0.1, f"{room}/", ha="center", va="center", size=13, color="#14304f")
    text = ", ".join(
        f"{inside}{sum(path.name != '__init__.py' for path in folder.glob('*.py'))}"
        for inside, folder in folders(room)
    )
    axes.text(x, y - 0.17, f"{text} modules", ha="center", va="center", size=8, color="#555555")


def folders(room: str) -> list[tuple[str, Path]]:
    """The room itself and its subpackages, each with its name as the picture prints it."""
    home = ROOT / "src" / PACKAGE / room
    inside = sorted(path.parent for path in home.glob("*/__init__.py"))
    return [("", home), *((f"{path.name}/ ", path) for path in inside)]


def draw_arrow(axes: Axes, upper: tuple[float, float], lower: tuple[float, float]) -> None:
    """From the bottom of one room to the top of another, bent where it passes a floor."""
    floors = round((upper[1] - lower[1]) / FLOOR_GAP)
    side = 1 if upper[0] >= 0 else -1
    bend = 0.0 if floors == 1 else -0.25 * side
    axes.annotate(
        "",
        xy=(lower[0], lower[1] + HEIGHT / 2 + 0.03),
        xytext=(upper[0], upper[1] - HEIGHT / 2 - 0.03),
        arrowprops={
            "arrowstyle": "-|>",
            "color": "#7a8aa0",
            "shrinkA": 0,
            "shrinkB": 0,
            "connectionstyle": f"arc3,rad={bend}",
        },
        zorder=0,
    )


if __name__ == "__main__":
    main()
