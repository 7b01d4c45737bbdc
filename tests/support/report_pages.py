"""What a report or a ranking shows, by its HTML."""

import re

_SKY_LINK = re.compile(
    r'<img alt="galaxy ([^"]*)" [^>]*>\n<figcaption>\n<span.*</button> '
    r'<a href="https://www\.legacysurvey\.org/viewer\?ra=([^&]*)&amp;dec=([^&]*)&amp;[^"]*">sky</a>'
)


def read_sky_links(page: str) -> dict[str, tuple[float, float]]:
    """`ra` and `dec` in degrees where a sky viewer opens, by the galaxy that the link stands at."""
    return {galaxy: (float(ra), float(dec)) for galaxy, ra, dec in _SKY_LINK.findall(page)}
