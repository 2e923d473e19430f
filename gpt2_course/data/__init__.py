"""Texts to train on, and the token shards that training reads."""

from gpt2_course.data.shards import TokenStream, find_shards, read_shards, write_shards
from gpt2_course.data.spec import DataSpec
from gpt2_course.data.stream import parse_count, stream_shards
from gpt2_course.data.text import CORPORA, Corpus, find_corpus

__all__ = [
    "CORPORA",
    "Corpus",
    "DataSpec",
    "TokenStream",
    "find_corpus",
    "find_shards",
    "parse_count",
    "read_shards",
    "stream_shards",
    "write_shards",
]
