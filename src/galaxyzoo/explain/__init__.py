"""Grad-CAM, feature maps, and how faithful they are.

In: trained networks and a galaxy. Out: heat maps and figures.
"""
