"""A world as tables in JSON, from which `labs/static/tiny_world.mjs` makes the same world in the page."""

from __future__ import annotations

import json
from typing import Any

from gpt2_course.tiny_world.documents import CORNERS, DEFAULT_WORLD, RHYME_POOL, WEIGHTS, World
from gpt2_course.tiny_world.grammar import Choice, Entity, Fresh, Keep, Node, Row, Slot, Words, article
from gpt2_course.tiny_world.judge import PRONOUNS, RHYMES
from gpt2_course.tiny_world.rules import CARRIED, RULES
from gpt2_course.tiny_world.stories import PLOTS


def tables(world: World = DEFAULT_WORLD) -> dict[str, Any]:
    """A world with all its corners, as JSON data.

    - entities: [name, forms] for each; a form is text, another entity's number, or a list of numbers.
    - lists: the numbers of the entities in each list.
    - an: the words that take "an".
    - nodes: the grammar, each different node once, after its parts. Fixed words are text, a row is the list of its
      parts' numbers, and the others are objects.
    - corners: for each, the weight and the node of each kind of document.
    - what the judge and the rules of the tokens go by: rhymes, rules, and so on.
    """
    numbers = {id(entity): number for number, entity in enumerate(world.list_of)}
    nodes = _Nodes()
    kinds = {kind: nodes.number(node) for kind, node in world.grammar.items()}
    stories = nodes.table[kinds["story"]]["options"]
    plots = {plot: {"story": nodes.add(_choice([node], [1]))} for plot, node in zip(PLOTS, stories, strict=True)}
    return {
        "entities": [[entity.name, _forms(entity, numbers)] for entity in world.list_of],
        "lists": {name: [numbers[id(entity)] for entity in entities] for name, entities in world.lists.items()},
        "an": sorted(entity.name for entity in world.list_of if article(entity.name).startswith("an ")),
        "nodes": nodes.table,
        "corners": {
            corner: {kind: [WEIGHTS[kind], (plots.get(corner) or kinds)[kind]] for kind in CORNERS[corner]}
            for corner in CORNERS
        },
        "rhymes": [sorted(words) for words in RHYMES],
        "pronouns": sorted(PRONOUNS),
        "rules": RULES,
        "carried": CARRIED,
        "rhyme_pool": RHYME_POOL,
    }


def _forms(entity: Entity, numbers: dict[int, int]) -> dict[str, Any]:
    def written(value: str | Entity | tuple[Entity, ...]) -> Any:
        if isinstance(value, tuple):
            return [numbers[id(each)] for each in value]
        return value if isinstance(value, str) else numbers[id(value)]

    return {name: written(value) for name, value in entity.forms.items()}


def _choice(options: list[int], weights: list[int]) -> dict[str, Any]:
    return {"options": options, "weights": weights}


class _Nodes:
    """The table of nodes: equal nodes share a row."""

    def __init__(self) -> None:
        self.table: list[Any] = []
        self._known: dict[str, int] = {}

    def number(self, node: Node) -> int:
        """The row of a node."""
        return self.add(self._written(node))

    def add(self, written: Any) -> int:
        """The row of a node in JSON, a new one if there is none."""
        key = json.dumps(written, sort_keys=True)
        if key not in self._known:
            self._known[key] = len(self.table)
            self.table.append(written)
        return self._known[key]

    def _written(self, node: Node) -> Any:
        if isinstance(node, Words):
            return node.words
        if isinstance(node, Row):
            return [self.number(part) for part in node.parts]
        if isinstance(node, Choice):
            return _choice([self.number(option) for option in node.options], list(node.weights))
        if isinstance(node, Fresh):
            return {"pool": node.pool, "options": [self.number(option) for option in node.options]}
        if isinstance(node, Keep):
            return {"keep": node.name, "piece": self.number(node.piece)}
        assert isinstance(node, Slot), node
        slot: dict[str, Any] = {"slot": node.name, "path": node.path, "from": node.origin}
        slot |= {"capital": node.capital, "article": node.article}
        return {key: value for key, value in slot.items() if value or key == "slot"}
