"""Exercises that name the mistake: `check("1.1", your_function)`.

Every module `chapter_NN` in this folder is loaded and adds its exercises to `registry.EXERCISES`; no other list of
them exists.
"""

from importlib import import_module
from pkgutil import iter_modules

from gpt2_course.exercises.check import check, working
from gpt2_course.exercises.drill import drill
from gpt2_course.exercises.progress import progress
from gpt2_course.exercises.quiz import quiz

__all__ = ["check", "drill", "progress", "quiz", "working"]

for _name in sorted(module.name for module in iter_modules(__path__)):
    if _name.startswith("chapter_"):
        import_module(f"{__name__}.{_name}")
