"""Pages and cards out of the Jinja2 templates in `galaxyzoo/templates/`."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(name: str, **values: object) -> str:
    """Fill a template; a value that it lacks is an error.

    Args:
        name: file in `galaxyzoo/templates/`. Where it ends in `.html.j2`, all values are escaped
            but those marked `markupsafe.Markup`.
        values: of the template's variables.
    """
    return _environment().get_template(name).render(**values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("galaxyzoo"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
