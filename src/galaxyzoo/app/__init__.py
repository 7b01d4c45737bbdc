"""The local web page to explore galaxies.

In: trained runs, an uploaded image or a GalaxyID. Out: answers, heat maps, similar galaxies.
"""
