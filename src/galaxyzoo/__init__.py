"""K-fold training, test-time augmentation and stacking for galaxy morphology (Galaxy Zoo)."""

__version__ = "1.0.0"
