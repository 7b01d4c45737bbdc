#!/usr/bin/env bash
# webdataset 1.0.2 (numpy 2.4.6, Pillow 13.0.0): the key of a file in a tar ends at the first dot of its name, and what
# follows is the name of a field. Names of galaxies made of coordinates have dots: J123456.78+012345.6.jpg and
# J123456.91+012350.2.jpg become one sample J123456 with two fields, and none of them has a field "jpg". `TarWriter`
# writes such keys as they are, so its own reader cannot give them back. Nothing is said: 4 galaxies, 3 samples.
# Who meets it: whoever packs cut-outs under IAU names (SDSS J…, 2MASX J…) for training or prediction. Replace the dots.
#
# Output seen:
#   written: J123456.78+012345.6 J123456.91+012350.2 J223344.55-001122.3 plain
#   read:    J123456: 78+012345.6.jpg 91+012350.2.jpg
#   read:    J223344: 55-001122.3.jpg
#   read:    plain: jpg
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q webdataset==1.0.2 numpy==2.4.6 pillow==13.0.0
venv/bin/python - <<'PYTHON'
import numpy as np
import webdataset

names = ["J123456.78+012345.6", "J123456.91+012350.2", "J223344.55-001122.3", "plain"]
with webdataset.TarWriter("galaxies.tar") as writer:
    for name in names:
        writer.write({"__key__": name, "jpg": np.full((8, 8, 3), 90, np.uint8)})
print("written:", *names)
found = {}
for sample in webdataset.WebDataset("galaxies.tar", shardshuffle=False).decode("rgb"):
    found[sample["__key__"]] = sorted(field for field in sample if not field.startswith("__"))
    print(f"read:    {sample['__key__']}:", *found[sample["__key__"]])
assert found == {
    "J123456": ["78+012345.6.jpg", "91+012350.2.jpg"],
    "J223344": ["55-001122.3.jpg"],
    "plain": ["jpg"],
}
PYTHON
