"""The local web pages: one to explore galaxies, one to label a survey.

In: trained runs, an uploaded image or a GalaxyID; a finished survey. Out: answers, heat maps,
similar galaxies; labels and rankings by them.
"""
