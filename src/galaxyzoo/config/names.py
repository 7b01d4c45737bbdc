"""Reserved names of datasets, and of runs in recipes."""

DEMO = "demo"  # the dataset that the project draws itself, with short schedules (configs/demo.yaml)
DEMO_FULL = "demo-full"  # the same galaxies, trained as real ones are
DEMOS = (DEMO, DEMO_FULL)
WHOLE = "kaggle"  # the dataset of the whole competition
BUNDLED = "bundled"  # in place of a dataset: networks that come with the project, in `weights/`
RECORDS = "records"  # in submissions/: the committed results, which no command writes
ALL_RUNS = "all"  # name of the ensemble of every finished run of a task
STAGE = "stage."  # prefix of the last part of the names of runs that are earlier stages of others
