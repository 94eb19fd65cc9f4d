"""The limits that `make run` and `make lint` hold the notebooks and labutils to."""

# seconds on two idle cores, with nothing kept at the start: printed, never a failure
IN_ORDER = 90
ALL_IN_ORDER = 420
ALONE = {"05": 110, "06": 180}  # by the notebook's number; the others as in order
CELL = 30
TRAINING_CELL = 45  # a cell that trains a recipe

MIB = 1024  # the most memory that a kernel may ever hold: more is a failure

# sizes: more lines in a module, or names, is a failure; the others are printed
MODULE_LINES = 350  # exercises aside
LABUTILS_LINES = 2800  # exercises aside
MACHINERY_LINES = 500  # of the exercises: checking, kinds, remarks, limits
NOTEBOOK_EXERCISES = 300  # the exercises of one notebook; more is a failure
EXERCISES_LINES = 1600  # those of all notebooks
NAMES = 40  # in `lab` itself
WORDS = {("01",): 2850, ("02",): 1850, ("03",): 2850, ("04",): 2900, ("05", "06"): 4000}
