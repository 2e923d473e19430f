"""A world of your own: Tiny World, and what a TOML file adds to it.

Whatever passes the checks leaves the grammar with exactly one derivation for each text. Two things are enough for that:

- No entry of a list begins with the words of another one. So at each draw, a text shows which entry it is.
- No entry equals what a template may say in its place: a dish is nobody's favorite food, and so on.

Entries contain no punctuation, so they cannot run into the words around them.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from gpt2_course.tiny_world.documents import Document, World, documents
from gpt2_course.tiny_world.world import (
    COLORS,
    FRIENDS,
    LISTS,
    PLACE_ROWS,
    PRONOUNS,
    Additions,
    Friend,
    Place,
    build_lists,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Field → the most words and bytes. They are little more than the longest in Tiny World itself have, so that nearly all
# documents still fit into a model's context; those that do not are left out in training.
FRIEND = {
    "name": (1, 16),
    "kind": (4, 24),
    "home": (7, 40),
    "food": (4, 24),
    "likes": (5, 28),
    "fear": (4, 24),
    "cry": (5, 28),
}
PLACE = {"name": (4, 24), "found_there": (4, 24)}
THING = (4, 24)
# key → the list it adds to
THINGS = {
    "treasures": "treasure",
    "tools": "tool",
    "fruits": "fruit",
    "dishes": "dish",
    "flowers": "flower",
    "animals": "animal",
    "jobs": "job",
}
MOST = 40  # friends, places, or things of a kind: no more than Tiny World itself has
SEARCHED = 4000  # documents to find examples in
FOUND = range(3, 7)  # how many things can be found in a place
PREPOSITIONS = (
    "in", "on", "at", "under", "behind", "by", "near", "above", "below", "beneath", "beside", "between", "inside",
    "outside", "over", "underneath", "next to", "close to", "far from", "in front of", "on top of", "across from",
    "on the far side of",
)  # fmt: skip
# what a template may say where it might also draw a food, a dish, a fruit, or a flower
SAID_INSTEAD = {"the good plates", "puddles", "naps", "ducks", "daydreams"}
IRREGULAR_PLURALS = {"mice", "geese", "teeth", "feet", "men", "women", "people", "children", "dice", "cacti"}
NO_S_PLURAL = ("s", "x", "z", "ch", "sh", "mouse", "goose", "sheep", "fish", "deer", "wolf", "calf", "ox")

STARTING_FILE = """\
# A world of your own: Tiny World, and what this file adds to it.
#
# 1. Change the entries below, and add as many as you like (or delete what you do not need).
# 2. Check them:       gpt2-course world {file}
# 3. Train on them:    python train.py --data {file}

# ---- a friend: copy these lines for another one --------------------------------------------------------------

[[friend]]
name = "Ida"                        # one capitalized word
kind = "unicorn"                    # what your friend is, without "a": fox, old sailor, six-year-old girl
pronoun = "she"                     # she or he
home = "in a tent by the river"     # begins with a word such as in, on, at, under, behind
best_friend = "Pip"                 # a friend in this file or in Tiny World: Pip, Hazel, Bruno, Mina, Olive, Otto ...
food = "rainbow toast"              # "Ida loves ..."
color = "purple"                    # {colors}
likes = "jump over fences"          # "Ida likes to ..."
fear = "wet hay"                    # "Ida is afraid of ..."
cry = "Hooves and hiccups!"         # what your friend says when surprised; ends with an exclamation mark

# ---- a place: copy these lines for another one ---------------------------------------------------------------

[[place]]
name = "the ice rink"               # with "the", unless it is a name, such as Windy Hill
preposition = "at"                  # "at the ice rink"
found_there = ["lost mittens", "hockey sticks", "thermos bottles", "bent skates"]    # 3 to 6 things, plural
roof = false                        # true: stories may keep things there, and a storm may tear off the roof
water = false                       # true: a golden fish may live there

# ---- things ---------------------------------------------------------------------------------------------------

[things]
treasures = ["kaleidoscope", "snow sled", "yo-yo"]    # things to carry, lose, and find: "a ..."
dishes = ["cheese fondue"]                            # "they had ..."
# Other lists, in the same form:
# fruits = ["kumquats"]             # sold by the dozen, plural
# flowers = ["orchids"]             # plural
# animals = ["penguin"]             # small ones, "a ..."
# tools = ["monkey wrench"]         # "a ..."
# jobs = ["astronaut"]              # "a ..."
"""


def starting_file(name: str) -> str:
    """The text of a file to begin with, whose comments explain every entry; `name` is the file's name."""
    return STARTING_FILE.format(file=name, colors=", ".join(COLORS.split()))


def load_world(path: str | Path) -> World:
    """Tiny World, with the friends, places, and things in a TOML file added to it.

    `gpt2-course world new.toml` writes such a file, with comments that explain it. Raises `FileNotFoundError` if there
    is no such file, `ValueError` for an entry that would break the rules of the world or make its texts ambiguous.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no world {path}: write one to start from with gpt2-course world {path}.")
    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors begin a file with a byte order mark
        content = tomllib.loads(unicodedata.normalize("NFC", text).replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(
            f"{path} is not valid TOML ({str(error).rstrip('.')}): correct it, or compare it with a fresh file from "
            f"gpt2-course world OTHER.toml."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: save it as UTF-8 in your editor.") from error
    additions = _Reader(path).additions(content)
    return World(build_lists(additions), additions)


def examples(world: World, count: int = 3) -> list[Document]:
    """Documents in which a world's additions appear, of different kinds if possible; first a new friend's story."""
    new = re.compile("|".join(rf"(?<!\w){re.escape(name)}" for name in world.additions.names))
    friends = {friend.name for friend in world.additions.friends}
    found = [d for d in islice(documents(0, "train", world), SEARCHED) if new.search(d.text)]
    found.sort(key=lambda d: not (d.kind == "story" and d.facts["hero"] in friends))  # stable
    first_of_kind = {document.kind: document for document in reversed(found)}
    chosen = sorted(first_of_kind.values(), key=found.index)[:count]
    return (chosen + [document for document in found if document not in chosen])[:count]


class _Reader:
    """Checks the content of a world's file, entry by entry; every error is a sentence that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # who or what already has a value, by field or list and then by the value, ignoring case
        self.taken: dict[str, dict[str, str]] = {
            "name": {friend.name.casefold(): "a friend in Tiny World" for friend in FRIENDS},
            "place": {place.name.casefold(): "a place in Tiny World" for place in PLACE_ROWS},
            "found_there": {find.casefold(): f"found {p.preposition} {p.name}" for p in PLACE_ROWS for find in p.finds},
            "food": {friend.food.casefold(): f"{friend.name}'s favorite food" for friend in FRIENDS},
        }
        for key in ("home", "likes", "cry"):
            self.taken[key] = {getattr(friend, key).casefold(): friend.name for friend in FRIENDS}
        for key, name in THINGS.items():
            self.taken[key] = {entity.name.casefold(): f"one of Tiny World's {key}" for entity in LISTS[name]}

    def additions(self, content: Mapping[str, Any]) -> Additions:
        """What the file adds."""
        self._keys(content, "the file", ("friend", "place", "things"))
        tables = {key: self._tables(content, key) for key in ("friend", "place")}
        names = [self._name(table, f"friend number {number}") for number, table in enumerate(tables["friend"], start=1)]
        known = [*(friend.name for friend in FRIENDS), *names]
        friends = [self._friend(table, name, known) for table, name in zip(tables["friend"], names, strict=True)]
        places = [self._place(table, f"place number {n}") for n, table in enumerate(tables["place"], start=1)]
        things = self._things(content.get("things", {}))
        if not (friends or places or things):
            self._refuse("there is nothing to add", "write a [[friend]], a [[place]], or [things]")
        return Additions(tuple(friends), tuple(places), things)

    # ---- entries -------------------------------------------------------------------------------------------

    def _name(self, table: Mapping[str, Any], entry: str) -> str:
        subject = f"the name of {entry}"
        self._has(table, entry, ("name",))
        name = self._phrase(table["name"], subject, FRIEND["name"])
        if not all(unicodedata.category(c)[0] in "LM" for c in name) or name[0].islower():
            self._refuse(f"{subject} is {name!r}", "write one word that begins with a capital letter")
        self._claim("name", name, f"the name {name!r} of {entry}", "a friend in this file", "choose another name")
        return name

    def _friend(self, table: Mapping[str, Any], name: str, known: Sequence[str]) -> Friend:
        entry = f"friend {name}"
        self._keys(table, entry, Friend._fields)
        self._has(table, entry, Friend._fields)
        values = {
            key: self._phrase(table[key], f"the {key} of {entry}", limits, ",!" if key == "cry" else "")
            for key, limits in FRIEND.items()
        }
        self._without_article(values["kind"], f"the kind of {entry}")
        if "named" in values["kind"].casefold().split():
            self._refuse(f"the kind of {entry} contains “named”", "leave that word out")
        self._one_of(table, "pronoun", entry, tuple(PRONOUNS), "the two that Tiny World's grammar knows")
        self._one_of(table, "color", entry, COLORS.split(), "the colors of Tiny World")
        self._one_of(table, "best_friend", entry, known, "the friends in this file and in Tiny World")
        if table["best_friend"] == name:
            self._refuse(f"{entry} is named as their own best friend", "name someone else")
        self._begins_with_preposition(values["home"], f"the home of {entry}", "in a tent by the river")
        if values["likes"].casefold().startswith("to "):
            self._refuse(f"the likes of {entry} begin with “to”, which Tiny World adds itself", "leave it out")
        cry = values["cry"]
        if not cry.endswith("!") or "!" in cry[:-1] or f"{cry[:-1]} ".replace(", ", "").count(","):
            self._refuse(
                f"the cry of {entry} is {cry!r}",
                "end it with one exclamation mark, and put a space after each comma, as in “Oh, my paws!”",
            )
        for key in ("home", "likes", "cry"):  # the answers to “Who lives …?”, “Who likes to …?”, and “Who says …?”
            self._claim(
                key,
                values[key],
                f"the {key} {values[key]!r} of {entry}",
                name,
                "the answer must be one friend: change one",
            )
        self._not_said_instead(values["food"], f"the food {values['food']!r} of {entry}", "dishes", "name")
        self.taken["food"].setdefault(values["food"].casefold(), f"{name}'s favorite food")
        return Friend(**{**table, **values})

    def _place(self, table: Mapping[str, Any], entry: str) -> Place:
        self._has(table, entry, ("name",))
        name = self._phrase(table["name"], f"the name of {entry}", PLACE["name"])
        number, entry = entry, f"place {name!r}"
        self._keys(table, entry, ("name", "preposition", "found_there", "roof", "water"))
        self._has(table, entry, ("preposition", "found_there"))
        if name[0].islower() and not name.startswith("the "):
            self._refuse(f"{entry} is neither a name nor begins with “the”", f"write 'the {name}', or a capital letter")
        self._claim("place", name, f"the name {name!r} of {number}", "a place in this file", "choose another name")
        self._one_of(table, "preposition", entry, PREPOSITIONS, "the prepositions for a place")
        found = self._list(table["found_there"], f"what is found_there in {entry}")
        if len(found) not in FOUND:
            self._refuse(
                f"{entry} has {len(found)} things in found_there", f"write {FOUND[0]} to {FOUND[-1]} different things"
            )
        at = f"{table['preposition']} {name}"
        for value in found:
            subject = f"{value!r} in found_there of {entry}"
            self._phrase(value, subject, PLACE["found_there"])
            self._plural(value, subject)
            self._claim("found_there", value, subject, f"found {at}", "a thing has one place: choose another thing")
        for key in ("roof", "water"):
            if not isinstance(table.get(key, False), bool):
                self._refuse(f"{key} of {entry} is {table[key]!r}", "write true or false, without quotes")
        return Place(name, table["preposition"], tuple(found), table.get("roof", False), table.get("water", False))

    def _things(self, table: Any) -> dict[str, tuple[str, ...]]:
        if not isinstance(table, dict):
            self._refuse("things is not a table", "write [things] on a line of its own, and the lists below it")
        self._keys(table, "[things]", THINGS)
        things = {}
        for key, name in THINGS.items():
            if key not in table:
                continue
            found = self._list(table[key], key)
            for value in found:
                subject = f"{value!r} in {key}"
                self._phrase(value, subject, THING)
                if key in ("fruits", "flowers"):
                    self._plural(value, subject)
                elif key != "dishes":
                    self._without_article(value, subject)
                if key == "animals" and _has_no_s_plural(value):
                    self._refuse(f"{subject} does not form its plural with an s", "choose another animal")
                if key in ("dishes", "fruits", "flowers"):
                    self._not_said_instead(value, subject, *(("food", "name") if key == "dishes" else ()))
                self._claim(key, value, subject, f"in {key} already", "choose another one")
            things[name] = tuple(found)
        return things

    # ---- checks --------------------------------------------------------------------------------------------

    def _refuse(self, problem: str, remedy: str) -> NoReturn:
        raise ValueError(f"In {self.path}, {problem}: {remedy}.")

    def _keys(self, table: Mapping[str, Any], entry: str, known: Collection[str]) -> None:
        for key in table:
            if key not in known:
                near = get_close_matches(key, known, 1)
                remedy = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}."
                raise ValueError(f"In {self.path}, {entry} has the unknown key {key!r}: {remedy}")

    def _has(self, table: Mapping[str, Any], entry: str, keys: Collection[str]) -> None:
        for key in keys:
            if key not in table:
                self._refuse(f"{entry} has no {key}", f'add a line such as {key} = "…"')

    def _tables(self, content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        tables = content.get(key, [])
        if not (isinstance(tables, list) and all(isinstance(table, dict) for table in tables)):
            self._refuse(f"{key} is not a list of tables", f"begin each with a line [[{key}]]")
        if len(tables) > MOST:
            self._refuse(f"there are {len(tables)} entries [[{key}]]", f"write at most {MOST}")
        return tables

    def _list(self, values: Any, subject: str) -> list[str]:
        if not (isinstance(values, list) and all(isinstance(value, str) for value in values)):
            self._refuse(f"{subject} is not a list of texts", 'write it as ["one", "another"]')
        if not values:
            self._refuse(f"{subject} is an empty list", "add something to it, or delete the line")
        if len(values) > MOST:
            self._refuse(f"{subject} has {len(values)} entries", f"write at most {MOST}")
        return values

    def _phrase(self, value: Any, subject: str, limits: tuple[int, int], punctuation: str = "") -> str:
        """A value made of words."""
        if not isinstance(value, str):
            self._refuse(f"{subject} is {value!r}", "write it as text in quotes")
        for character in value:
            if unicodedata.category(character)[0] not in "LM" and character not in " -'’" + punctuation:
                self._refuse(
                    f"{subject} contains the character {character!r}, which could end a sentence or belong to the "
                    f"grammar's notation",
                    "use only letters, spaces, hyphens, and apostrophes",
                )
        words = value.split(" ")
        if "" in words or not any(unicodedata.category(c)[0] == "L" for c in value):
            self._refuse(f"{subject} is {value!r}", "write words, with one space between two of them")
        if len(words) > limits[0]:
            self._refuse(
                f"{subject} has {len(words)} words", f"write at most {limits[0]}, so that documents stay short"
            )
        if (size := len(value.encode())) > limits[1]:
            self._refuse(
                f"{subject} takes {size} bytes, where a letter takes 1 to 3",
                f"shorten it to {limits[1]}, to keep documents short",
            )
        return value

    def _claim(self, key: str, value: str, subject: str, owner: str, remedy: str) -> None:
        """Make sure that a value, ignoring case, is new and neither begins another entry nor begins with one."""
        folded, taken = value.casefold(), self.taken[key]
        if folded in taken:
            self._refuse(f"{subject} is taken ({taken[folded]})", remedy)
        if key not in ("home", "likes", "cry"):  # a punctuation mark always follows these
            for other, whose in taken.items():
                if f"{folded} ".startswith(f"{other} ") or f"{other} ".startswith(f"{folded} "):
                    self._refuse(
                        f"there is {subject}, but {other!r} is {whose}, and no entry may begin with another one",
                        "choose other words",
                    )
        taken[folded] = owner

    def _not_said_instead(self, value: str, subject: str, *keys: str) -> None:
        """Make sure that a value differs from everything that a template may say in its place."""
        folded = value.casefold()
        if folded in SAID_INSTEAD:
            self._refuse(f"{subject} is what Tiny World says in its place", "choose another one")
        for key in keys:
            if folded in self.taken[key]:
                self._refuse(f"{subject} is taken ({self.taken[key][folded]})", "choose another one")

    def _one_of(self, table: Mapping[str, Any], key: str, entry: str, known: Sequence[str], what: str) -> None:
        value = table[key]
        if value not in known:
            near = get_close_matches(value, known, 1) if isinstance(value, str) and len(known) > MOST else []
            choices = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}."
            raise ValueError(
                f"In {self.path}, the {key} of {entry} is {value!r}, which is not one of {what}: {choices}"
            )

    def _begins_with_preposition(self, value: str, subject: str, example: str) -> None:
        if not value.startswith(tuple(f"{word} " for word in PREPOSITIONS)):
            self._refuse(
                f"{subject} is {value!r}, which does not say where it is",
                f"begin with a word such as in, on, at, under, or behind, as in {example!r}",
            )

    def _without_article(self, value: str, subject: str) -> None:
        first, _, rest = value.partition(" ")
        if first.casefold() in ("a", "an", "the"):
            self._refuse(f"{subject} begins with {first!r}, which Tiny World adds itself", f"write {rest!r}")

    def _plural(self, value: str, subject: str) -> None:
        head = value.partition(" of ")[0].split(" ")[-1]  # of "balls of red string", the balls
        if head.isascii() and not head.endswith("s") and head not in IRREGULAR_PLURALS:
            self._refuse(f"{subject} is not plural, as in “seven {value}”", "write its plural, such as apples")


def _has_no_s_plural(noun: str) -> bool:
    consonant_and_y = noun.endswith("y") and noun[-2:-1] not in tuple("aeiou")
    return noun.endswith(NO_S_PLURAL) or (noun.isascii() and consonant_and_y)
