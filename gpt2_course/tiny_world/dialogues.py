"""Dialogues about Tiny World, from which a model that tells stories learns to answer.

Someone asks about the inhabitants, the places, and the things, or tells a story and asks about it, or wishes for one.
Some questions are about people, things, and places that the world does not have. Then the answer says so, because a
model that is never shown this makes something up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple
from zlib import crc32

from gpt2_course.tiny_world.documents import DEFAULT_WORLD, READING, Document, Split, World, sample_document
from gpt2_course.tiny_world.grammar import Draft

HELD_OUT = 4  # one stranger, thing, and place in 4 is only for validation
OLD = 0.58  # the share of ordinary documents, so that a model does not forget how to write them
STORY, WISH = 0.1, 0.05  # the shares of dialogues about a story just told, and of wishes for a text
UNKNOWN = 0.4  # the share of questions about what is not in the world

# people who do not live in Tiny World
PEOPLE = """
Aaron Abby Adam Agnes Alan Albert Alex Alice Alma Amanda Amber Amelia Amy Andrew Angela Anna Anthony Arnold Arthur
Audrey Barbara Beatrice Ben Bernard Beth Betty Bill Bob Brad Brenda Brian Bridget Bruce Calvin Carl Carla Carmen Carol
Caroline Charles Charlotte Chloe Chris Claire Clark Claude Connie Cora Craig Cynthia Dan Daniel David Dawn Dean
Deborah Dennis Derek Diana Donald Donna Doris Dorothy Doug Duncan Dylan Earl Edith Edward Eileen Elaine Eleanor Elena
Eli Elizabeth Ellen Elmer Elsa Emily Emma Eric Esther Ethan Eugene Eva Evelyn Felix Fiona Florence Frances Frank Fred
Gail Gary George Gerald Gilbert Gina Glenn Gloria Gordon Grace Gus Hannah Harold Harry Harvey Heather Heidi Helen
Henry Herman Hilda Holly Howard Ian Ida Ingrid Irene Iris Isaac Isabel Jacob James Jane Janet Jason Jasper Jean Jeff
Jennifer Jenny Jeremy Jerry Jessica Jill Jim Joan Joe John Jordan Joseph Joyce Juan Judy Julia Julian Justin Karen
Karl Kate Keith Kelly Ken Kevin Kim Kurt Kyle Larry Laura Lauren Lawrence Leonard Linda Lionel Lisa Logan Lois Louis
Louise Lucas Lucy Luke Lydia Marcus Margaret Maria Mark Martha Martin Mary Matthew Maureen Megan Melissa Michael
Mildred Molly Monica Morgan Murray Nancy Naomi Natalie Nathan Neil Nicholas Nicole Noah Norman Olga Oliver Olivia
Oscar Owen Pam Patricia Patrick Paul Paula Peggy Peter Phil Phoebe Quentin Rachel Ralph Randy Raymond Rebecca Rick
Rita Robert Rodney Roger Ron Rosemary Roy Rupert Russell Ruth Ryan Sabrina Samantha Sandra Sara Scott Sean Sharon
Sheila Shirley Sidney Simon Sophia Stanley Stella Stephanie Steve Stuart Sue Susan Sylvia Tanya Ted Teresa Terry
Theodore Thomas Tim Tina Todd Tom Tony Tracy Trevor Tyler Ursula Valerie Vera Vernon Vicky Victor Vincent Viola
Virginia Wade Walter Wanda Warren Wayne Wendy Wilbur Xavier Yasmin Yolanda Yvonne Zachary Zelda Zoe
"""
# syllables of names that nobody has
BEGIN = """
Al An Ar Bel Ben Bri Cal Car Ced Da Del Dor El Em Er Fa Fel Fran Ga Ger Gil Han Har Hen Id Ing Is Ja Jo Jul Ka Kar Ken
La Lar Len Li Lo Lu Ma Mar Mel Mi Mo Na Nat Ner No Oc Or Os Pa Pe Phil Qui Ra Ri Ro Ru Sa Se Si Ste Ta Te Tho To Ul Ur
Va Ve Vi Wa Wil Win Xa Ya Yo Za Ze Zo
"""
END = """
a ba bert bin by ca cy da dan der die do don dra dy el en ena ette fa fred gar ger go ia ian ie il in ina ine is ka ke
la len les lia lie lin lo ma man mer mi mon na nan ne nel ner ney ni nor o ra ran rie ris ro rod sa sha son sta ta tan
tha ther ti tin to ton tor va van vin vy wen win y ya zo
"""
# what strangers might be
TRADES = """
fox, bear, owl, mouse, dog, cat, rabbit, wolf, tiger, elephant, monkey, penguin, duck, pig, sheep, zebra, baker, doctor,
king, queen, princess, pirate, robot, sailor, wizard, farmer, pilot, nurse, dentist, giant, old lady, little boy
"""
# things that cannot be found anywhere in Tiny World
THINGS = """
rubies, emeralds, sapphires, opals, laptops, phones, printers, keyboards, cameras, televisions, radios, batteries,
cables, microphones, satellites, rockets, airplanes, helicopters, submarines, tractors, taxis, trucks, buses,
bicycles, motorcycles, scooters, tanks, sleds, skis, skates, snowboards, surfboards, elephants, tigers, leopards,
giraffes, zebras, monkeys, gorillas, pandas, kangaroos, koalas, penguins, dolphins, whales, sharks, octopuses,
jellyfish, lobsters, oysters, crocodiles, snakes, parrots, peacocks, flamingos, ostriches, eagles, bats, rats,
hamsters, llamas, buffaloes, dinosaurs, unicorns, mermaids, vampires, zombies, aliens, fairies, bananas, pineapples,
mangoes, avocados, strawberries, raspberries, melons, limes, sausages, hamburgers, burritos, tacos, donuts, lollipops,
chocolates, milkshakes, chewing gum, sofas, mattresses, cupboards, refrigerators, toasters, dishwashers, bathtubs,
toilets, elevators, carpets, knives, toothbrushes, razors, wigs, necklaces, earrings, bracelets, wallets, backpacks,
shirts, dresses, jackets, sweaters, skirts, belts, sandals, helmets, goggles, sunglasses, microscopes, telescopes,
thermometers, violins, guitars, saxophones, xylophones, pencils, crayons, erasers, scissors, staplers, dictionaries,
magazines, comics, calendars, envelopes, postcards, passports, statues, paintings, puzzles, yo-yos, video games,
footballs, tennis rackets, trophies, tiles, cannons, rifles, pyramids, skyscrapers, volcanoes, glaciers, planets,
rainbows, cactuses, orchids, bamboo, tires, engines, bulldozers, cranes, parachutes, trampolines, wheelchairs,
bandages, pills, igloos, skateboards, escalators, chandeliers, ukuleles, calculators, joysticks, headphones,
loudspeakers, thermoses, corkscrews, wrenches, drills, limousines, ambulances, gondolas, canoes, kayaks, yachts,
hovercrafts, spaceships, meteors, icebergs, geysers, blenders, microwaves, freezers, hair dryers, lipsticks, perfumes,
tuxedos, pajamas, kimonos, turbans, ponchos, walruses, hyenas, hippos, rhinos, gazelles, lemurs, sloths, toucans,
pelicans, vultures, piranhas, squids, starfish, iguanas, cobras, pythons, mosquitoes, papayas, kiwis, pomegranates,
marshmallows
"""
# places that are not in Tiny World
PLACES = """
Paris, London, Rome, Madrid, Berlin, Vienna, Tokyo, Sydney, Cairo, Boston, Chicago, Seattle, New York, Texas, Alaska,
Canada, Mexico, Brazil, Italy, Egypt, India, China, Africa, Mars, Venus, Jupiter, the desert, the jungle, the swamp,
the canyon, the volcano, the glacier, the ocean, the prairie, the zoo, the aquarium, the museum, the airport, the
subway, the highway, the gas station, the parking lot, the garage, the hospital, the pharmacy, the dentist's office,
the police station, the fire station, the prison, the courthouse, the supermarket, the restaurant, the hotel, the gym,
the stadium, the bowling alley, the playground, the golf course, the university, the laboratory, the observatory, the
factory, the warehouse, the shipyard, the coal mine, the power plant, the vineyard, the bathroom, the bedroom, the
balcony, the elevator, the palace, the pyramid, the temple, the church, the cemetery, the graveyard, the treehouse,
the igloo, the spaceship, the submarine, the North Pole, the haunted house, the gold mine, the race track, the ice
rink, the casino, the disco, the nightclub, the embassy, the monastery, the cathedral, the refinery, the reservoir,
the sauna, the dungeon, the boiler room, the cockpit, the food court, the drugstore, the hardware store, the
barbershop, the skating rink, the equator, the South Pole, Antarctica, Japan, Norway, Hawaii, Florida, Dublin, Athens,
Moscow, Saturn, Pluto
"""
NOBODY, NOTHING, NOWHERE = "I don't know anyone by that name.", "I have never seen any.", "I have never been there."
REFUSALS = (NOBODY, NOTHING, NOWHERE)
# questions about a person; {x} may be followed by what the person is
ABOUT_PEOPLE = """
Who is {name}?
Who is {name}'s best friend?
What is {name}'s favorite food?
What is {name}'s favorite color?
What does {name} say when {he} is surprised?
Where does {x} live?
What does {x} like to eat?
What is {x} afraid of?
What does {x} like to do?
"""
SMALL_TALK = """
Hello! | Hello! Ask me about the village, tell me a story, or ask me for one.
Hi! | Hello! Ask me about the village, tell me a story, or ask me for one.
Who are you? | I am a small GPT-2, and I know everyone in the village.
What can you do? | I can tell stories, sing songs, and answer questions about the village.
Thank you. | You are welcome.
Good night! | Good night! Sleep well.
Goodbye! | Goodbye! Come back soon.
"""


class Exchange(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


def dialogues(seed: int, split: Split, world: World = DEFAULT_WORLD) -> Iterator[list[Exchange] | Document]:
    """An endless stream of dialogues about a world, mixed with its ordinary documents.

    The same seed gives the same stream on every machine. Strangers, things, and places in "val" are not in "train".
    """
    random = Random(f"Tiny World's dialogues {split} {seed}")
    while True:
        draw = random.random()
        if draw < OLD:
            yield sample_document(random, world)
        else:
            yield _typed(_dialogue(random, split, world, draw - OLD), random)


def _dialogue(random: Random, split: Split, world: World, draw: float) -> list[Exchange]:
    """Questions and answers; in some dialogues, a story or a wish stands between them."""
    if draw < STORY:
        text = about_a_story(random, world)
    elif draw < STORY + WISH:
        text = [wish(random, world)]
    else:
        return [_any(random, split, world) for _ in range(random.randint(2, 8))]
    before, after = random.choice([0, 0, 1, 2, 3]), random.randint(0, 1)
    return [
        *(_any(random, split, world) for _ in range(before)),
        *text,
        *(_any(random, split, world) for _ in range(after)),
    ]


def _any(random: Random, split: Split, world: World) -> Exchange:
    """A question about what is in the world or not, or a few kind words."""
    draw = random.random()
    if draw < UNKNOWN:
        return unknown(random, split, world)
    if draw < UNKNOWN + 0.05:
        return Exchange(*random.choice(SMALL_TALK.strip().split("\n")).split(" | "))
    return known(random, world)


def _typed(exchanges: list[Exchange], random: Random) -> list[Exchange]:
    """The same, but about half of the questions as people type them, more or less in a hurry."""

    def typed(question: str) -> str:
        if random.random() < 0.5:
            return question
        return as_typed(question, *random.choice([(True, True), (True, False), (False, True)]))

    return [Exchange(typed(question), answer) for question, answer in exchanges]


def as_typed(question: str, small: bool = True, bare: bool = True) -> str:
    """A question as people type it in a hurry: its last line in small letters, without the mark at its end.

    >>> as_typed("Where does Tuck live?")
    'where does tuck live'
    """
    before, line_break, last = question.rpartition("\n")
    last = last.lower() if small else last
    return before + line_break + (last.rstrip("?!.") if bare else last)


def known(random: Random, world: World = DEFAULT_WORLD) -> Exchange:
    """A question about the facts of the world."""
    question, answer = world.fact.sample(Draft(random)).removeprefix("Question: ").split("\nAnswer: ")
    return Exchange(question, answer)


def unknown(random: Random, split: Split, world: World = DEFAULT_WORLD) -> Exchange:
    """A question about someone or something that is not in the world."""
    draw = random.random()
    if draw < 0.6:
        name = _stranger(random, split, world)
        who = f"{name} the {random.choice(_list(TRADES))}" if random.random() < 0.5 else name
        question = random.choice(ABOUT_PEOPLE.strip().split("\n"))
        return Exchange(question.format(name=name, x=who, he=random.choice(["he", "she"])), NOBODY)
    if draw < 0.82:
        return Exchange(f"Where can you find {random.choice(_part(_list(THINGS), split))}?", NOTHING)
    place = random.choice(_part(_list(PLACES), split))
    return Exchange(f"What can you find {random.choice(['in', 'at', 'on'])} {place}?", NOWHERE)


def _stranger(random: Random, split: Split, world: World) -> str:
    """A name that nobody in the world has."""
    inhabitants = {who.name for who in world.lists["cast"]}
    while True:
        name = random.choice(PEOPLE.split())
        if random.random() < 0.5:
            first, *others = random.choice(BEGIN.split()), random.choice(END.split()), random.choice(END.split())
            name = first + "".join(others[: 1 + (random.random() < 0.3)])
        if name not in inhabitants and _part([name], split):
            return name


def about_a_story(random: Random, world: World = DEFAULT_WORLD) -> list[Exchange]:
    """A story, followed by a question about it, and a second question."""
    text = world.grammar["reading"].sample(Draft(random)).removeprefix(READING).strip()
    story, *questions = text.split("\n\nQuestion: ")
    first, second = (Exchange(*question.split("\nAnswer: ")) for question in questions)
    return [first._replace(question=f"{story}\n\n{first.question}"), second]


def wish(random: Random, world: World = DEFAULT_WORLD) -> Exchange:
    """A wish for a story or a song, and the text."""
    draft = Draft(random)
    if random.random() < 0.3:
        text = world.grammar["song"].sample(draft)
        title = text.split("\n")[0]
        return Exchange(random.choice(["Sing me a song.", f"Sing {title[0].lower()}{title[1:]}."]), text)
    text = world.grammar["story"].sample(draft)
    hero = draft.memory.get("hero")
    return Exchange(f"Tell me a story about {hero}." if random.random() < 0.5 else "Tell me a story.", text)


def _list(table: str) -> list[str]:
    return re.split(r",\s+", table.strip())


def _part(names: list[str], split: Split) -> list[str]:
    """The names that belong to this split, by their checksums."""
    return [name for name in names if (crc32(name.encode()) % HELD_OUT == 0) == (split == "val")]
