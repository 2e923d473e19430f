"""Tiny World: a small world defined by a grammar, so its entropy is known and every text can be graded."""

from gpt2_course.tiny_world.additions import load_world
from gpt2_course.tiny_world.documents import Document, Kind, Split, World, documents
from gpt2_course.tiny_world.judge import Verdict, judge

__all__ = ["Document", "Kind", "Split", "Verdict", "World", "documents", "judge", "load_world"]
