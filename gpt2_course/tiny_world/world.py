"""The facts of Tiny World: its cast, places, and things, as tables that are easy to read and change."""

from __future__ import annotations

from gpt2_course.tiny_world.grammar import Entity, article

# name | what they are | pronoun | where they live | best friend | favorite food | favorite color |
# what they like to do | what they fear | what they say when surprised
CAST_TABLE = """
Pip      | fox              | he  | in the hollow oak            | Hazel   | plum cake         | grey   | count the clouds          | thunder             | Whiskers and thunder!
Hazel    | squirrel         | she | at the top of a pine tree    | Pip     | roasted chestnuts | brown  | hide things               | the long winter     | Nuts and needles!
Bruno    | bear             | he  | in a cave behind the waterfall | Mina  | honey toast       | golden | lick honey spoons         |bees                | Oh, my paws!
Mina     | mouse            | she | in a teapot                  | Bruno   | yellow cheese     | yellow | write tiny letters        | mousetraps          | Squeak and crumbs!
Olive    | owl              | she | in the bell tower            | Otto    | blackberry jam    | purple | read by moonlight         | bright lamps        | Who would have thought!
Otto     | otter            | he  | on a raft of reeds           | Olive   | fish soup         | blue   | slide down wet rocks      | dry summers         | Splash my tail!
Tuck     | tortoise         | he  | under the stone bridge       | Zip     | green salad       | green  | tell long stories         | being turned over   | Well, well, slowly now!
Zip      | hare             | she | in the clover field          | Tuck    | carrot cake       | white  | race the wind             | standing still      | Quick as a wink!
Rosa     | baker            | she | above the bakery             | Sam     | warm bread        | red    | sing to the dough         | cold ovens          | Flour and fire!
Sam      | miller           | he  | in the old windmill          | Rosa    | apple dumplings   | white  | whistle with the wind     | mice in the grain   | Bless my millstones!
Nell     | girl of seven    | she | next to the school           | Jack    | strawberry ice    | pink   | draw maps                 | the cellar stairs   | Jumping jellybeans!
Jack     | boy of eight     | he  | above the toy shop           | Nell    | pancakes          | red    | climb everything          | spiders             | Holy macaroni!
Ada      | girl of ten      | she | in a house full of gears     | Dot     | pea soup          | silver | build machines            | loud bangs          | By bolts and springs!
Dot      | robot            | she | in the tool shed             | Ada     | sunflower oil     | silver | learn new words           | rust                | Beep and double beep!
Tam      | old sailor       | he  | in a boat on dry land        | Skip    | smoked herring    | blue   | tie knots                 | sea monsters        | Shiver my buttons!
Skip     | seagull          | he  | on the harbour wall          | Tam     | potato chips      | white  | steal sandwiches          | fog                 | Feathers and fish!
Ivy      | witch            | she | in a crooked cottage         | Moss    | mushroom stew     | black  | stir things               | clean windows       | Cats and cauldrons!
Moss     | toad             | he  | beneath the witch's doorstep | Ivy     | beetle biscuits   | green  | sit in puddles            | storks              | Croak and double croak!
Grim     | giant            | he  | on the far side of the hill  | Lily    | pumpkin pie       | grey   | collect pebbles           | stepping on someone | Boulders and beans!
Lily     | girl of six      | she | in the yellow house          | Grim    | peach pudding     | yellow | ask questions             | the dark            | Goodness gumdrops!
Clara    | clockmaker       | she | over the clock shop          | Finn    | lemon tart        | golden | listen to the ticking     | being late          | Ticks and tocks!
Finn     | fiddler          | he  | in a painted wagon           | Clara   | hot buns          | red    | dance in the rain         | broken strings      | Fiddlesticks!
Bella    | goat             | she | on the roof of the barn      | Max     | thistle salad     | brown  | chew on hats              | fences              | Butter and bells!
Max      | sheepdog         | he  | at the foot of the hill      | Bella   | meat pie          | black  | chase butterflies | baths               | Bones and biscuits!
Luna     | cat              | she | on the baker's windowsill    | Percy   | cold chicken      | silver | watch the moon            | deep water          | Well, purr my paws!
Percy    | pigeon           | he  | under the station clock      | Luna    | bread crumbs      | pink   | carry messages            | slingshots          | Coo and double coo!
Hugo     | hedgehog         | he  | under the rose bush          | Tilly   | sour apples       | brown  | roll down hills           | balloons            | Prickles and pins!
Tilly    | mole             | she | below the vegetable garden   | Hugo    | onion soup        | black  | dig long tunnels          | bright noon         | Dirt and diamonds!
Daisy    | cow              | she | in the long meadow           | Chester | buttercup stew    | yellow | hum old songs             | slippery ice        | Moo and mercy!
Chester  | horse            | he  | in the red stable            | Daisy   | oat cookies       | golden | pull heavy carts          | paper bags          | Hay and horseshoes!
Edgar    | crow             | he  | on the tallest chimney       | Pearl   | stale doughnuts   | black  | solve riddles             | scarecrows          | Caw, upon my feathers!
Pearl    | magpie           | she | in a nest of silver spoons   | Edgar   | cherry pie        | silver | polish shiny things       | hailstones          | Glitter and gold!
Fern     | gardener         | she | behind the sunflowers        | Barnaby | tomato soup       | green  | talk to the flowers       | snails              | Sprouts and spades!
Barnaby  | badger           | he  | in the deepest burrow        | Fern    | walnut bread      | white  | sweep the path            | visitors            | Stripes and stones!
Kit      | kitten           | he  | in the sewing basket         | Poppy   | cream cake        | pink   | play with yarn            | vacuum cleaners     | Mew and mischief!
Poppy    | puppy            | she | in the shoe cupboard         | Kit     | liver sausage     | red    | bury slippers             | the doorbell        | Woof and wonder!
Leo      | lion             | he  | in an empty circus tent      | Greta   | vanilla custard   | golden | practise roaring| mice                | Roars and roses!
Greta    | goose            | she | beside the mill pond         | Leo     | barley porridge   | white  | march in circles          | foxes               | Honk and hooray!
Sol      | painter          | he  | in the glass attic           | Nora    | raspberry pie     | purple | mix colours               | empty paper         | Brushes and bristles!
Nora     | post rider       | she | in the post house            | Sol     | ginger biscuits   | blue   | ride before sunrise       | barking dogs        | Stamps and saddles!
Bo       | little dragon    | he  | inside the warm chimney      | Mabel   | chili peppers     | red    | light candles             | buckets of water    | Smoke and sparks!
Mabel    | teacher          | she | in the house by the school bell | Bo   | rhubarb crumble   | purple | collect old words         | spelling mistakes   | Chalk and cheese!
"""

# place | its preposition | what is found there
PLACE_TABLE = """
the harbour         | at     | ropes, fish bones, rusty anchors, gull feathers
the old mill        | by     | empty sacks, barley grains, white moths, broken millstones
Windy Hill          | on     | dandelions, kite tails, grey stones, lost arrows
the library         | in     | dusty books, yellow bookmarks, reading glasses, love letters
the stone bridge    | under  | tin cans, green bottles, spider webs, wet frogs
the lighthouse      | at     | glass lamps, candle ends, sea charts, storm flags
the market square   | in     | cabbage leaves, copper coins, fruit crates, sacks of onions
the dark forest     | in     | pine cones, mushrooms, squirrel tracks, crooked sticks
the beach           | on     | seashells, crab claws, blue pebbles, bits of driftwood
the school          | at     | pieces of chalk, ink bottles, torn maps, apple cores
the railway station | at     | used tickets, single gloves, railway flags, train whistles
the castle ruin     | in     | arrowheads, cracked bricks, sleepy bats, iron nails
the apple orchard   | in     | wormy apples, bird nests, wasps, short ladders
the duck pond       | by     | water lilies, bread crusts, tadpoles, reeds
the clock tower     | in     | brass gears, bent springs, pigeon feathers, stopped watches
the flower garden   | in     | rose petals, snail shells, bumblebees, clay pots
the bakery          | behind | flour sacks, burnt crusts, sugar crumbs, cherry stones
the snowy mountain  | on     | icicles, goat bells, crystal stones, frozen berries
the waterfall       | by     | smooth stones, silver trout, willow leaves, ferns
the theatre         | in     | paper crowns, velvet rags, wooden swords, painted trees
the meadow          | in     | grasshoppers, clover leaves, cowbells, buttercups
the smithy          | at     | horseshoes, anvils, hot tongs, lumps of coal
the attic           | in     | cobwebs, family photographs, moth balls, forgotten toys
the crystal cave    | in     | shining crystals, cold lanterns, old bones, dripping candles
the toy shop        | behind | doll shoes, tin soldiers, loose buttons, balls of string
the bandstand       | near   | sheets of music, bottle caps, drumsticks, balloon strings
the vegetable patch | in     | pumpkin seeds, earthworms, carrot tops, bean poles
the island          | on     | coconuts, turtle eggs, message bottles, palm leaves
"""

SEASON_TABLE = """
spring | The first swallows were back, and every puddle held a piece of sky.
summer | The air smelled of hay, and even the shadows were warm.
autumn | Yellow leaves danced down the lane, and the geese were flying south.
winter | Snow lay on every fence, and the chimneys smoked.
"""
WEATHER_TABLE = """
rainy  | The rain drummed on all the roofs.
windy  | The wind pulled at every hat.
foggy  | The fog was as thick as porridge.
sunny  | The sun lay on the road like butter.
stormy | The shutters banged, and the trees groaned.
chilly | Even the scarecrow wished for a scarf.
cloudy | The clouds hung low and grey like wet laundry.
"""

COLORS = "red grey yellow green blue purple pink brown black white silver golden"
NUMBERS = "three four five six seven eight nine ten eleven twelve"
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"

# small things to carry, lose, give, and hide
TREASURES = """
kite, lantern, drum, whistle, teapot, parasol, compass, spyglass, button, scarf, ribbon, bell, marble, doll, puppet,
mitten, key, hat, clock, ring, feather, notebook, paintbrush, cup, spoon, basket, flute, ball, candlestick, mirror, magnet,
comb, brooch, slipper, satchel, cushion, blanket, jar, medal, crown, mask, map, trumpet, sock, purse, sundial, vase
"""
# tools that people work with
TOOLS = """
hammer, saw, ladder, rope, net, broom, wheelbarrow, crowbar, mallet, bucket, pair of tongs, pot of glue, screwdriver,
long pole, axe, pulley, oil can, chisel, mop, iron hook
"""
DIGGERS = "shovel, spade, rake, soup ladle, frying pan, trowel, pickaxe, wooden spoon, hoe, garden fork"
# noises in the night
SOUNDS = """
tap, crunch, boom, squeak, hum, plop, scratch, clank, rattle, hiss, thump, whoo, drip, buzz, creak, snap
"""
# sold by the dozen at the market
FRUITS = """
plums, apples, pears, turnips, cherries, carrots, pumpkins, onions, walnuts, lemons, peaches, potatoes, radishes,
figs, tomatoes, apricots
"""
# food to cook, share, and dream of
DISHES = """
noodle soup, gingerbread, bean stew, waffles, baked apples, garlic toast, blueberry muffins, cheese pie, corn bread,
fried eggs, rice pudding, hot pretzels, pear tart, cinnamon rolls, leek soup, butter cookies, mashed turnips,
parsley fritters, spinach dumplings, poppy seed cake
"""
FLOWERS = "daisies, poppies, tulips, bluebells, violets, snowdrops, marigolds, lilies, cornflowers, primroses"
ANIMALS = """
heron, beetle, peacock, snail, donkey, ladybug, hen, cricket, sparrow, tadpole, bee, swan, caterpillar, weasel, moth,
robin, lizard, stork, woodpecker, squid
"""
# how people say things, what they do while they think, and times of day
HOW = "softly loudly slowly happily sadly proudly calmly politely bravely quickly gently firmly"
DID = "sighed nodded laughed blushed shrugged yawned winked swallowed blinked grinned sneezed coughed"
WHEN = "noon, dusk, midnight, sunrise, bedtime, breakfast, tea time, the last bell"
# lists for details about a character
KIN = "uncle aunt cousin grandmother grandfather brother sister godmother"
JOBS = """
plumber, juggler, dentist, pirate, poet, beekeeper, spy, barber, tailor, wizard, acrobat, judge, banker, diver, clown,
glassblower
"""
MATERIALS = "woollen straw paper velvet tin leather silk cork felt moss"
GARMENTS = "shoes hats gloves trousers socks slippers scarves waistcoats"
MONTHS = "January February March April May June July August September October November December"
TREES = "birch willow cherry maple beech chestnut fir poplar walnut linden"
INSTRUMENTS = "flute tuba harp cello piano banjo organ trombone triangle accordion"
GAMES = "chess, cards, marbles, dominoes, skittles, croquet, hopscotch, darts"
# things to build together | what to do with them
BUILD_TABLE = """
raft         | float down the river
tree house   | sleep among the leaves
swing        | fly over the hedge
sand castle  | wave a sock from its towers
windmill     | grind a thimble of flour
soapbox car  | roll down Windy Hill
puppet stage | show the battle of the spoons
birdhouse    | hear singing at breakfast
oven         | bake twelve pizzas at once
seesaw       | touch the sky by turns
wishing well | drop in a coin and a wish
hot-air balloon | look at the village from above
bridge of planks | cross the stream with dry feet
giant drum   | wake the whole valley
"""


# the places that have a roof
HOUSES = """
the old mill, the library, the lighthouse, the school, the railway station, the clock tower, the bakery, the theatre,
the smithy, the attic, the toy shop, the bandstand
"""


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


def _cast() -> tuple[Entity, ...]:
    people: dict[str, Entity] = {}
    friends = {}
    for name, kind, he, home, friend, food, color, likes, fear, cry in _rows(CAST_TABLE):
        young = " of " in kind  # as in "girl of seven"
        people[name] = Entity(
            name,
            {
                **PRONOUNS[he],
                "kind": kind,
                "a": article(kind),
                "intro": f"{article(kind)} named {name}",
                "the": f"young {name}" if young else f"{name} the {kind}",
                "home": home,
                "food": food,
                "colour": color,
                "likes": likes,
                "fear": fear,
                "cry": cry,
            },
        )
        friends[name] = friend
    for name, friend in friends.items():
        people[name].forms["friend"] = people[friend]
    return tuple(people.values())


def _places() -> tuple[tuple[Entity, ...], tuple[Entity, ...]]:
    """The places, and everything found in them."""
    places: list[Entity] = []
    all_finds: list[Entity] = []
    for name, preposition, words in _rows(PLACE_TABLE):
        at = f"{preposition} {name}"
        finds = tuple(Entity(word.strip(), {"where": at}) for word in words.split(","))
        places.append(Entity(name, {"at": at, "finds": finds}))
        all_finds += finds
    return tuple(places), tuple(all_finds)


CAST = _cast()
PLACES, FINDS = _places()
WEATHER = tuple(Entity(name, {"scene": scene}) for name, scene in _rows(WEATHER_TABLE))
_ROOFS = [" ".join(name.split()) for name in HOUSES.split(",")]

# The lists that templates draw from, by name.
LISTS: dict[str, tuple[Entity, ...]] = {
    "cast": CAST,
    "place": PLACES,
    "house": tuple(place for place in PLACES if place.name in _ROOFS),
    "finds": FINDS,
    "season": tuple(Entity(name, {"scene": scene}) for name, scene in _rows(SEASON_TABLE)),
    "weather": WEATHER,
    "rough": tuple(weather for weather in WEATHER if weather.name not in ("sunny", "cloudy")),
    "colour": _list(COLORS),
    "number": _list(NUMBERS),
    "day": _list(DAYS),
    "treasure": _list(TREASURES),
    "tool": _list(TOOLS),
    "digger": _list(DIGGERS),
    "sound": tuple(Entity(f"{x.name.capitalize()}, {x.name}, {x.name}") for x in _list(SOUNDS)),
    "how": _list(HOW),
    "did": _list(DID),
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
