"""`train.py` where the demo set that it draws is small."""

import runpy
import sys
from functools import partial

from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.readers import kaggle

kaggle.write_demo = partial(kaggle.write_demo, n_train=16, n_test=5)
sys.argv[0] = str(CODE_ROOT / "src" / "train.py")
runpy.run_path(sys.argv[0], run_name="__main__")
