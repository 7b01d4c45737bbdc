"""The local web page to explore galaxies.

In: trained runs, an uploaded image or a GalaxyID. Out: answers, heat maps, similar galaxies.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(
    commands={"app": "galaxyzoo.extras.app.command:main"},
    packages=("gradio",),
)
