#!/usr/bin/env bash
# timm 1.0.31: a network made with num_classes=0 does not always return `num_features` columns. Of families that keep a layer between
# pooling and classifier (MobileNetV3 and V4, GhostNet, LCNet, HGNetV2, VGG, …) it returns `head_hidden_size`; a head built for
# `num_features` fails at the first batch. `head_hidden_size` is right for all of these, and for networks where both are equal.
# Who meets it: whoever puts a head of their own (37 votes, a decision tree) on any of timm's networks.
#
# Output seen:
#   timm 1.0.31 torch 2.13.0+cu130
#   mobilenetv3_large_100: returns 1280, num_features 960, head_hidden_size 1280
#   hgnetv2_b0: returns 2048, num_features 1024, head_hidden_size 2048
#   vgg11: returns 4096, num_features 512, head_hidden_size 4096
#   resnet18: returns 512, num_features 512, head_hidden_size 512
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q timm==1.0.31 torch==2.13.0 torchvision==0.28.0
venv/bin/python - <<'PYTHON'
import timm
import torch

print("timm", timm.__version__, "torch", torch.__version__)
expected = {
    "mobilenetv3_large_100": (1280, 960),
    "hgnetv2_b0": (2048, 1024),
    "vgg11": (4096, 512),
    "resnet18": (512, 512),
}
for name, (columns, features) in expected.items():
    network = timm.create_model(name, pretrained=False, num_classes=0).eval()
    with torch.inference_mode():
        returned = network(torch.zeros(1, 3, 224, 224)).shape[1]
    known = network.num_features, network.head_hidden_size
    print(f"{name}: returns {returned}, num_features {known[0]}, head_hidden_size {known[1]}")
    assert (returned, *known) == (columns, features, columns)
PYTHON
