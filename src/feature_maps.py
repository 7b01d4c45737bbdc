"""Show what the layers of a network make of a galaxy: the maps at work, and the first filters.

python src/feature_maps.py gz37/resnet18 --galaxy-id 100008
python src/feature_maps.py gz37/resnet18 --galaxy-id 100008 --layer layer2.0 layer4
python src/feature_maps.py gz37/cnn --image mine.jpg --fold 2
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse

import torch
from torch import nn

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import choose_dataset, shown, task_name
from galaxyzoo.explain.figures import draw_filters, draw_maps
from galaxyzoo.explain.galaxy import add_galaxy, check_galaxy, galaxy_of, picture_path
from galaxyzoo.explain.layers import find_layers, last_of_each_side, pick_layers, watching
from galaxyzoo.inference.predict import load_run_models
from galaxyzoo.models.build import GalaxyNet

_COLOURS = 3


def main() -> None:
    """Parse, let one fold's network look at the galaxy, draw."""
    args = parse_args()
    dataset = choose_dataset(args.dataset, task_name(args.run))
    config, models = load_run_models(dataset, args.run)
    if args.fold not in models:
        raise InputError(f"fold {args.fold} of {args.run} is not trained (--fold)")
    model, galaxy = models[args.fold], galaxy_of(args, config, dataset)
    image = galaxy.as_input(config.image)
    layers = find_layers(model, config.image.size_px)
    chosen = pick_layers(layers, args.layer) if args.layer else last_of_each_side(layers)
    with watching(model, chosen) as seen, torch.inference_mode():
        model(torch.from_numpy(image).permute(0, 3, 1, 2).to(model.mean.device))
    maps = {layer.name: seen[layer.name][0].numpy() for layer in chosen}
    title = f"{galaxy.name} in {config.run}, fold {args.fold}"
    path = picture_path(args, dataset, config.run, "feature_maps")
    draw_maps(path, image[0], maps, title)
    print(f"picture: {shown(path)}")
    if first := first_convolution(model):
        path = path.with_name(f"{path.stem}_filters.png")
        draw_filters(path, first.weight.detach().float().cpu().numpy(), f"first filters, {title}")
        print(f"picture: {shown(path)}")


def first_convolution(model: GalaxyNet) -> nn.Conv2d | None:
    """The one that sees the image's colours; None where there is no such layer."""
    layers = (m for m in model.backbone.modules() if isinstance(m, nn.Conv2d))
    return next((m for m in layers if m.in_channels == _COLOURS), None)


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_galaxy(parser)
    parser.add_argument(
        "--layer", nargs="+", metavar="NAME", help="whose maps (default: last of each resolution)"
    )
    parser.add_argument("--fold", type=int, default=0, help="whose network (default: 0)")
    args = parser.parse_args()
    check_galaxy(parser, args)
    return args


if __name__ == "__main__":
    run_main(main)
