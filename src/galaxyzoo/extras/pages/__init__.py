"""HTML pages, charts and templates, which other extras share.

In: tables, pictures, lines. Out: files that need no network.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(packages=("jinja2",))
