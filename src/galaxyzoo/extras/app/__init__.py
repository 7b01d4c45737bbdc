"""The local web page to explore galaxies.

In: trained runs, uploaded images or a simulated galaxy. Out: answers, heat maps.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(
    commands={"app": "galaxyzoo.extras.app.command:main"},
    packages=("gradio", "pyarrow"),
)
