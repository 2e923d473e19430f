"""The facts of Tiny World: its cast, places, and things, as tables that are easy to read and change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gpt2_course.tiny_world.grammar import Entity, article

# name | what they are | pronoun | where they live | best friend | favorite food | favorite color |
# what they like to do | what they fear | what they say when surprised
CAST_TABLE = """
Pip      | fox              | he  | in the hollow oak            | Hazel   | plum cake         | gray   | count the clouds      | thunder             | Whiskers and thunder!
Hazel    | squirrel         | she | at the top of a pine tree    | Pip     | roasted chestnuts | brown  | hide acorns           | the long winter     | Nuts and needles!
Bruno    | bear             | he  | in the cave behind the waterfall | Mina  | honey toast       | gold   | lick honey spoons     | bees                | Oh, my paws!
Mina     | mouse            | she | in a teapot                  | Bruno   | cheddar cheese    | yellow | write tiny letters    | mousetraps          | Squeak and crumbs!
Olive    | owl              | she | in the bell tower            | Otto    | blackberry jam    | purple | read by moonlight     | bright lamps        | Hoot and holler!
Otto     | otter            | he  | on a raft of reeds           | Olive   | fish soup         | blue   | slide down wet rocks  | dry summers         | Splash my tail!
Tuck     | tortoise         | he  | under the stone bridge       | Zip     | garden salad      | green  | tell long stories     | being flipped over  | Shells and slowpokes!
Zip      | hare             | she | in the clover field          | Tuck    | carrot cake       | white  | race the wind         | standing still      | Quick as a wink!
Rosa     | baker            | she | above the bakery             | Sam     | warm bread        | red    | sing to the dough     | cold ovens          | Flour and fire!
Sam      | miller           | he  | in the old windmill          | Rosa    | apple dumplings   | white  | whistle in the wind   | mice in the grain   | Bless my millstones!
Nell     | seven-year-old girl | she | in the house next to the school | Jack    | strawberry ice cream | pink | draw maps            | the basement stairs | Jumping jellybeans!
Jack     | eight-year-old boy  | he  | above the toy store       | Nell    | pancakes          | red    | climb tall trees      | spiders             | Holy macaroni!
Ada      | ten-year-old girl   | she | in a house full of gears  | Dot     | pea soup          | silver | build machines        | loud bangs          | By bolts and springs!
Dot      | robot            | she | in the toolshed              | Ada     | sunflower oil     | silver | learn new words       | rust                | Beep and double beep!
Tam      | old sailor       | he  | in a boat on dry land        | Skip    | smoked herring    | blue   | tie fancy knots       | sea monsters        | Shiver my buttons!
Skip     | seagull          | he  | on the harbor wall           | Tam     | potato chips      | white  | steal sandwiches      | fog                 | Feathers and fish!
Ivy      | witch            | she | in the crooked cottage       | Moss    | mushroom stew     | black  | stir bubbling pots    | clean windows       | Cats and cauldrons!
Moss     | toad             | he  | under the witch's doorstep   | Ivy     | beetle cookies    | green  | sit in puddles        | storks              | Croak and double croak!
Grim     | giant            | he  | on the far side of the hill  | Lily    | pumpkin pie       | gray   | collect pebbles       | stepping on someone | Boulders and beans!
Lily     | six-year-old girl   | she | in the yellow house       | Grim    | peach cobbler     | yellow | ask questions         | the dark            | Goodness gumdrops!
Clara    | clockmaker       | she | above the clock shop         | Finn    | lemon tart        | gold   | listen to the ticking | being late          | Ticks and tocks!
Finn     | fiddler          | he  | in a painted wagon           | Clara   | sticky buns       | red    | dance in the rain     | broken strings      | Fiddlesticks!
Bella    | goat             | she | on the roof of the barn      | Max     | thistle salad     | brown  | chew on hats          | fences              | Butter and bells!
Max      | sheepdog         | he  | at the foot of the hill      | Bella   | pot roast         | black  | chase butterflies     | baths               | Bones and biscuits!
Luna     | cat              | she | on the baker's windowsill    | Percy   | cold chicken      | silver | watch the moon        | deep water          | Well, purr my paws!
Percy    | pigeon           | he  | under the station clock      | Luna    | bread crumbs      | pink   | carry messages        | slingshots          | Coo and double coo!
Hugo     | hedgehog         | he  | under the rosebush           | Tilly   | sour apples       | brown  | roll down hills       | balloons            | Prickles and pins!
Tilly    | mole             | she | below the vegetable garden   | Hugo    | onion soup        | black  | dig long tunnels      | bright sunlight     | Dirt and diamonds!
Daisy    | cow              | she | in the long meadow           | Chester | buttercup stew    | yellow | hum old songs         | slippery ice        | Moo and mercy!
Chester  | horse            | he  | in the red stable            | Daisy   | oatmeal cookies   | gold   | pull heavy carts      | paper bags          | Hay and horseshoes!
Edgar    | crow             | he  | on the tallest chimney       | Pearl   | stale doughnuts   | black  | solve riddles         | scarecrows          | Well, pluck my feathers!
Pearl    | magpie           | she | in a nest of silver spoons   | Edgar   | cherry pie        | silver | polish shiny things   | hailstones          | Glitter and gold!
Fern     | gardener         | she | in the cottage behind the sunflowers | Barnaby | tomato soup       | green  | talk to the flowers   | snails              | Sprouts and spades!
Barnaby  | badger           | he  | in the deepest burrow        | Fern    | walnut bread      | white  | sweep the path        | visitors            | Stripes and stones!
Kit      | kitten           | he  | in the sewing basket         | Poppy   | cream puffs       | pink   | play with yarn        | vacuum cleaners     | Mew and mischief!
Poppy    | puppy            | she | in the shoe closet           | Kit     | liverwurst        | red    | bury slippers         | the doorbell        | Woof and wonder!
Leo      | lion             | he  | in an empty circus tent      | Greta   | vanilla custard   | gold   | practice roaring      | mice                | Roars and roses!
Greta    | goose            | she | beside the millpond          | Leo     | corn pudding      | white  | march in circles      | foxes               | Honk and hooray!
Sol      | painter          | he  | in the sunny attic           | Nora    | raspberry pie     | purple | mix colors            | blank paper         | Brushes and bristles!
Nora     | mail carrier     | she | in a room behind the post office | Sol     | gingersnaps       | blue   | deliver good news     | barking dogs        | Stamps and saddlebags!
Bo       | little dragon    | he  | inside the warm chimney      | Mabel   | chili peppers     | red    | light candles         | buckets of water    | Smoke and sparks!
Mabel    | teacher          | she | in the house with the green door | Bo  | rhubarb crisp     | purple | collect old words     | spelling mistakes   | Chalk and chalkboards!
"""

# place | its preposition | what is found there
PLACE_TABLE = """
the harbor          | at     | ropes, fish bones, rusty anchors, gull feathers
the old mill        | in     | empty sacks, grains of barley, wooden wheels, broken millstones
Windy Hill          | on     | dandelions, kite tails, gray stones, lost arrows
the library         | in     | dusty books, yellow bookmarks, reading glasses, stacks of newspapers
the stone bridge    | under  | tin cans, green bottles, spider webs, mossy logs
the lighthouse      | at     | glass lamps, candle stubs, sea charts, signal flags
the market square   | in     | cabbage leaves, copper coins, fruit crates, sacks of onions
the dark forest     | in     | pine cones, mushrooms, acorns, crooked sticks
the beach           | on     | seashells, crab claws, blue pebbles, bits of driftwood
the school          | at     | pieces of chalk, ink bottles, torn maps, apple cores
the train station   | at     | used tickets, lost gloves, old suitcases, train whistles
the ruined castle   | in     | arrowheads, cracked bricks, dented shields, iron nails
the apple orchard   | in     | wormy apples, birds' nests, bushel baskets, short ladders
the duck pond       | by     | water lilies, bread crusts, cattails, wet reeds
the clock tower     | in     | brass gears, bent springs, pigeon feathers, broken watches
the flower garden   | in     | rose petals, snail shells, watering cans, clay pots
the bakery          | in     | flour sacks, burned crusts, cookie crumbs, cherry pits
the snowy mountain  | on     | icicles, goat bells, snowdrifts, frozen berries
the waterfall       | by     | smooth stones, fallen logs, willow leaves, ferns
the theater         | in     | paper crowns, velvet curtains, wooden swords, painted trees
the meadow          | in     | tall grasses, clover leaves, cowbells, buttercups
the forge           | at     | horseshoes, anvils, rusty tongs, lumps of coal
the antique shop    | in     | cobwebs, old photographs, mothballs, forgotten toys
the crystal cave    | in     | shining crystals, dusty lanterns, old bones, dripping candles
the toy store       | in     | doll shoes, tin soldiers, loose buttons, balls of string
the bandstand       | at     | sheets of music, bottle caps, drumsticks, balloon strings
the vegetable patch | in     | pumpkin seeds, bean poles, carrot tops, rhubarb leaves
the island          | on     | coconuts, turtle shells, palm leaves, treasure chests
"""

SEASON_TABLE = """
spring | The first swallows were back, and every puddle held a piece of sky.
summer | The air smelled of hay, and even the shadows were warm.
autumn | Yellow leaves danced down the lane, and the geese were flying south.
winter | Snow lay on every fence, and the chimneys smoked.
"""
WEATHER_TABLE = """
rainy  | The rain drummed on all the roofs.
windy  | The wind tugged at every hat.
foggy  | The fog was as thick as oatmeal.
sunny  | The sun lay on the road like butter.
stormy | The shutters banged, and the trees groaned.
chilly | Even the scarecrow wished for a scarf.
cloudy | The clouds hung low and gray like wet laundry.
"""

COLORS = "red gray yellow green blue purple pink brown black white silver gold orange"
NUMBERS = "three four five six seven eight nine ten eleven twelve"
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"

# small things to carry, lose, give, and hide
TREASURES = """
kite, lantern, drum, whistle, teapot, parasol, compass, spyglass, button, scarf, ribbon, bell, marble, doll, puppet,
mitten, key, hat, clock, ring, feather, notebook, paintbrush, cup, spoon, basket, flute, ball, candlestick, mirror, magnet,
comb, brooch, slipper, satchel, cushion, blanket, jar, medal, crown, mask, flag, trumpet, sock, purse, sundial, vase,
harmonica, snow globe, music box, locket
"""
# tools that people work with
TOOLS = """
hammer, saw, ladder, rope, net, broom, wheelbarrow, crowbar, mallet, bucket, pair of tongs, pot of glue, screwdriver,
long pole, axe, pulley, oil can, chisel, mop, iron hook
"""
DIGGERS = "shovel, spade, rake, soup ladle, frying pan, trowel, pickaxe, wooden spoon, hoe, garden fork"
# noises in the night
SOUNDS = """
tap, crunch, boom, squeak, hum, plop, scratch, clank, rattle, hiss, thump, hoot, drip, buzz, creak, snap
"""
# sold by the dozen at the market
FRUITS = """
plums, apples, pears, turnips, cherries, carrots, pumpkins, onions, walnuts, lemons, peaches, potatoes, radishes,
figs, tomatoes, apricots, grapes, cucumbers
"""
# food to cook, share, and dream of
DISHES = """
noodle soup, gingerbread, bean stew, waffles, baked beans, garlic toast, blueberry muffins, pizza, cornbread,
fried eggs, rice pudding, hot pretzels, pecan pie, cinnamon rolls, leek soup, peanut brittle, meatballs,
zucchini fritters, spinach dumplings, poppy seed cake, maple fudge, popcorn, brownies, egg rolls
"""
FLOWERS = (
    "daisies, poppies, tulips, bluebells, violets, snowdrops, marigolds, lilies, cornflowers, primroses, pansies, roses"
)
ANIMALS = """
wren, beetle, duckling, snail, lamb, ladybug, chick, cricket, sparrow, chipmunk, bee, gosling, caterpillar, weasel, moth,
robin, lizard, frog, woodpecker, rabbit
"""
# how people say things, how they do when they are shy or boast, what they do when they hear a story and when they think, and times of day
HOW = """
softly quietly slowly calmly politely gently firmly quickly kindly thoughtfully seriously earnestly warmly
brightly cheerfully solemnly
"""
SHY = "softly quietly slowly meekly shyly glumly timidly sheepishly nervously weakly seriously politely"
GRAND = "proudly loudly boldly grandly cheerfully merrily smugly happily"
DID = """
laughed nodded smiled giggled grinned clapped whistled chuckled winked cheered beamed bowed applauded chortled whooped
sighed
"""
PAUSED = """
sighed smiled blushed blinked swallowed hesitated paused frowned gulped grinned nodded chuckled whistled shivered sniffled
laughed
"""
WHEN = "noon, dusk, midnight, sunrise, bedtime, breakfast, suppertime, nightfall"
# lists for details about a character
KIN = "uncle aunt cousin grandmother grandfather brother sister godmother"
JOBS = """
plumber, juggler, dentist, pirate, poet, beekeeper, spy, barber, tailor, wizard, acrobat, judge, banker, diver, clown,
glassblower, firefighter, librarian, carpenter, conductor
"""
MATERIALS = "woolen velvet leather silk cotton felt denim satin linen flannel"
GARMENTS = "shoes hats gloves pants socks slippers scarves vests"
MONTHS = "January February March April May June July August September October November December"
TREES = "birch willow cherry maple beech chestnut fir poplar walnut linden"
INSTRUMENTS = "flute tuba harp cello piano banjo organ trombone triangle accordion"
GAMES = "chess, cards, marbles, dominoes, checkers, croquet, hopscotch, darts"
# things to build together | what to do with them
BUILD_TABLE = """
raft            | float wherever they pleased
playhouse       | invite everyone to supper
swing           | fly as high as the birds
wooden castle   | wave a flag from its towers
windmill        | grind their own flour
soapbox car     | roll faster than the wind
puppet stage    | put on a show every night
birdhouse       | hear singing at breakfast
pizza oven      | bake twelve pizzas at once
seesaw          | take turns touching the sky
wishing well    | drop in a coin and make a wish
lookout tower   | see the village from above
footbridge      | cross the stream with dry feet
giant drum      | wake the whole valley
"""


# the places that have a roof, and those by the water
HOUSES = """
the old mill, the library, the lighthouse, the school, the train station, the clock tower, the bakery, the theater,
the forge, the antique shop, the toy store, the bandstand
"""
WATERS = "the harbor, the stone bridge, the lighthouse, the beach, the duck pond, the waterfall, the island"


class Friend(NamedTuple):
    """A row of the cast's table."""

    name: str
    kind: str
    pronoun: str
    home: str
    best_friend: str
    food: str
    color: str
    likes: str
    fear: str
    cry: str


class Place(NamedTuple):
    """A row of the places' table, and the lists a place is in."""

    name: str
    preposition: str
    finds: tuple[str, ...]
    roof: bool
    water: bool


@dataclass(frozen=True)
class Additions:
    """What a world has in addition to the tables above."""

    friends: tuple[Friend, ...] = ()
    places: tuple[Place, ...] = ()
    things: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by the list they are added to

    def __str__(self) -> str:
        """One line for each friend, place, and kind of thing."""
        lines = [f"  friend: {friend.name} the {friend.kind}, who lives {friend.home}" for friend in self.friends]
        lines += [f"  place: {place.name}, where there are {', '.join(place.finds)}" for place in self.places]
        return "\n".join([*lines, *(f"  {name}: {', '.join(things)}" for name, things in self.things.items())])

    @property
    def names(self) -> list[str]:
        """What is added, by name."""
        named = [friend.name for friend in self.friends] + [place.name for place in self.places]
        return named + [name for things in self.things.values() for name in things]


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def _noun(name: str) -> Entity:
    return Entity(name, {"a": article(name)})


def _list(words: str) -> tuple[Entity, ...]:
    """Entities for words separated by commas or, if there are no commas, by spaces."""
    parts = words.split(",") if "," in words else words.split()
    return tuple(_noun(" ".join(part.split())) for part in parts)


PRONOUNS = {
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
}


def _cast(friends: Iterable[Friend]) -> tuple[Entity, ...]:
    people: dict[str, Entity] = {}
    best_friends = {}
    for name, kind, he, home, best_friend, food, color, likes, fear, cry in friends:
        young = "year-old" in kind  # as in "seven-year-old girl"
        people[name] = Entity(
            name,
            {
                **PRONOUNS[he],
                "a": article(kind),
                "intro": f"{article(kind)} named {name}",
                "the": f"young {name}" if young else f"{name} the {kind}",
                "home": home,
                "food": food,
                "color": color,
                "likes": likes,
                "fear": fear,
                "cry": cry,
            },
        )
        best_friends[name] = best_friend
    for name, best_friend in best_friends.items():
        people[name].forms["friend"] = people[best_friend]
    return tuple(people.values())


def _places(rows: Iterable[Place]) -> tuple[tuple[Entity, ...], tuple[Entity, ...]]:
    """The places, and everything found in them."""
    places: list[Entity] = []
    all_finds: list[Entity] = []
    for place in rows:
        at = f"{place.preposition} {place.name}"
        finds = tuple(Entity(name, {"where": at}) for name in place.finds)
        *some, last = place.finds
        places.append(Entity(place.name, {"at": at, "finds": finds, "all": f"{', '.join(some)}, and {last}"}))
        all_finds += finds
    return tuple(places), tuple(all_finds)


def _names(words: str) -> list[str]:
    return [" ".join(name.split()) for name in words.split(",")]


FRIENDS = tuple(Friend(*row) for row in _rows(CAST_TABLE))
PLACE_ROWS = tuple(
    Place(name, preposition, tuple(_names(finds)), name in _names(HOUSES), name in _names(WATERS))
    for name, preposition, finds in _rows(PLACE_TABLE)
)


def build_lists(additions: Additions) -> dict[str, tuple[Entity, ...]]:
    """The lists that templates draw from, by name: the tables above, followed by what is added to them."""
    rows = (*PLACE_ROWS, *additions.places)
    places, finds = _places(rows)
    weather = tuple(Entity(name, {"scene": scene}) for name, scene in _rows(WEATHER_TABLE))
    lists = {
        "cast": _cast((*FRIENDS, *additions.friends)),
        "place": places,
        "house": tuple(place for place, row in zip(places, rows, strict=True) if row.roof),
        "outdoors": tuple(place for place, row in zip(places, rows, strict=True) if not row.roof),
        "water": tuple(place for place, row in zip(places, rows, strict=True) if row.water),
        "finds": finds,
        "season": tuple(Entity(name, {"scene": scene}) for name, scene in _rows(SEASON_TABLE)),
        "weather": weather,
        "rough": tuple(each for each in weather if each.name not in ("sunny", "cloudy")),
        "color": _list(COLORS),
        "number": _list(NUMBERS),
        "day": _list(DAYS),
        "treasure": _list(TREASURES),
        "tool": _list(TOOLS),
        "digger": _list(DIGGERS),
        "sound": tuple(Entity(f"{x.name.capitalize()}, {x.name}, {x.name}") for x in _list(SOUNDS)),
        "how": _list(HOW),
        "grand": _list(GRAND),
        "shy": _list(SHY),
        "did": _list(DID),
        "paused": _list(PAUSED),
        "when": _list(WHEN),
        "kin": _list(KIN),
        "job": _list(JOBS),
        "material": _list(MATERIALS),
        "garment": _list(GARMENTS),
        "month": _list(MONTHS),
        "tree": _list(TREES),
        "instrument": _list(INSTRUMENTS),
        "game": _list(GAMES),
        "fruit": _list(FRUITS),
        "dish": _list(DISHES),
        "flower": _list(FLOWERS),
        "animal": _list(ANIMALS),
        "build": tuple(Entity(name, {"a": article(name), "use": use}) for name, use in _rows(BUILD_TABLE)),
    }
    for name, things in additions.things.items():
        lists[name] += tuple(map(_noun, things))
    return lists


LISTS = build_lists(Additions())
CAST, PLACES = LISTS["cast"], LISTS["place"]
