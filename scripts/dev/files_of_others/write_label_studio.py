# /// script
# requires-python = ">=3.11"
# dependencies = ["label-studio-sdk==2.1.2"]
# ///
"""Labels exported by Label Studio's own converter."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recording import CLASSES, FILES, IDS, Galaxies, Written, add, write_all

RINGS = ["ring", "bar"] * 3
QUESTION = """<View><Image name="image" value="$image"/><Choices name="{}" toName="image">
<Choice value="ring"/><Choice value="bar"/></Choices></View>"""
UPLOAD = "/data/upload/1/0123abcd-{}"
LOCAL = "/data/local-files/?d=images/NGC%20{}"  # so it writes blanks
SIGNED = "https://bucket.example.org/{}?X-Amz-Signature=ab/12"


def make_annotation(number: int, question: str, answers: Sequence[str]) -> dict:
    """An annotation with answers, or one that was skipped."""
    result: dict[str, Any] = {"from_name": question, "to_name": "image", "type": "choices"}
    result |= {"id": f"r{number}", "value": {"choices": list(answers)}}
    return {
        "id": number,
        "completed_by": {"id": 1 + number % 3, "email": "someone@example.org"},
        "result": [result] if answers else [],
        "was_cancelled": not answers,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "lead_time": 1.5,
    }


def write_export(
    galaxies: Galaxies,
    folder: Path,
    form: str,
    place: str = UPLOAD,
    people: Sequence[Sequence[str]] = (RINGS,),
    question: str = "choice",
) -> Written:
    """Export labels.

    Args:
        form: of the export.
        place: of images, in which {} is the file.
        people: answers of each, one an image.
        question: its name.
    """
    from label_studio_sdk.converter import Converter

    places = [place.format(file) for file in FILES]
    tasks = []
    for number, image in enumerate(places):
        annotations = []
        for person, answers in enumerate(people):
            chosen = answers[number].split()
            annotations.append(make_annotation(10 * number + person, question, chosen))
        task = {"id": 1 + number, "data": {"image": image}, "annotations": annotations}
        tasks.append(task | {"predictions": []})
    source = folder / "tasks.json"
    source.write_text(json.dumps(tasks))
    converter = Converter(QUESTION.format(question), str(folder), download_resources=False)
    converter.convert(str(source), str(folder / "out"), form, is_dir=False)
    exported = folder / "out"
    if exported.is_dir():
        exported = next(exported.glob("*"))
    mine = folder / "mine"
    files = [file if place != LOCAL else f"NGC {file}" for file in FILES]
    galaxies.write_pngs(mine / "images", files)
    exported.rename(mine / ("labels.csv" if form == "CSV" else "labels.json"))
    return Written(mine, {IDS: places, CLASSES: RINGS})


skipped = [""] * 6
several = ["ring bar", *RINGS[1:]]
for form in ("CSV", "JSON", "JSON_MIN"):
    add("label-studio-sdk", form, write_export, form)
two = [RINGS, RINGS, skipped]
add("label-studio-sdk", "two people, a third who skips", write_export, "JSON", UPLOAD, two)
add("label-studio-sdk", "local files", write_export, "CSV", LOCAL)
add("label-studio-sdk", "S3", write_export, "CSV", "s3://bucket/{}")
add("label-studio-sdk", "signed URLs", write_export, "CSV", SIGNED)
add("label-studio-sdk", "two answers", write_export, "CSV", UPLOAD, [several])
other = (UPLOAD, [RINGS], "galaxy_type")
add("label-studio-sdk", "a question called galaxy_type", write_export, "JSON", *other)

if __name__ == "__main__":
    write_all()
