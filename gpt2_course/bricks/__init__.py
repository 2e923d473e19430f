"""The bricks: the functions that learners write, laid one by one into a file that is a whole GPT-2, `my_gpt2.py`.

`my_gpt2.py` in this folder is the course's own copy. Nothing here imports the exercises except `child`, which checks a
file in a process of its own; the exercises import `laying` to lay a function that is correct.
"""

from gpt2_course.bricks.assembly import mine
from gpt2_course.bricks.laying import lay
from gpt2_course.bricks.starting import start

__all__ = ["lay", "mine", "start"]
