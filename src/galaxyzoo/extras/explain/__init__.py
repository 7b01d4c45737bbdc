"""Grad-CAM heat maps, feature maps, figures of one galaxy.

In: trained networks and a galaxy. Out: heat maps and figures.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(commands={"gradcam": "galaxyzoo.extras.explain.command:main"})
