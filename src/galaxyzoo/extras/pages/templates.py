"""Pages and cards out of the Jinja2 templates in the extras' folders `templates/`."""

import base64
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from jinja2 import Environment

# What starts code, emphasis, a link, HTML, a table cell or a mention; and addresses that become
# links by themselves.
_MARKDOWN = re.compile(r"[\\`*\[\]<>|&~@]|(?<=www)\.|:(?=//)", re.IGNORECASE)


def render(name: str, **values: object) -> str:
    """Fill a template; a value that it lacks is an error.

    Args:
        name: file in a folder `templates/`. Where it ends in `.html.j2` or `.md.j2`, all values
            are escaped, for HTML or Markdown, but those marked `markupsafe.Markup`.
        values: of the template's variables.
    """
    return _environment(name.endswith(".md.j2")).get_template(name).render(**values)


def color(name: str) -> str:
    """A color of `palette.css`, `predicted` or `votes`, as `#rrggbb`."""
    return dict(re.findall(r"--(\w+): (#\w{6})", render("palette.css")))[name]


def jpeg_address(image: np.ndarray) -> str:
    """Encode an image, (H, W, 3) uint8 RGB, as the address of a JPEG that a page embeds."""
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    good, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert good
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


@cache
def _environment(markdown: bool) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(sorted(Path(__file__).parents[1].glob("*/templates"))),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        finalize=_escape_markdown if markdown else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _escape_markdown(value: object) -> object:
    """Text as Markdown that shows it as it is, on one line; other values unchanged."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", " ".join(value.split()))
