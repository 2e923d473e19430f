"""The songs: rhyming couplets in lines of four beats, and a repeated chorus."""

from __future__ import annotations

# mood → rhyme → lines; any two lines of one rhyme make a couplet, and no two end in the same word
COUPLETS: dict[str, dict[str, str]] = {
    "lullaby": {
        "night": """The moon sends down her silver light / The owls come out to greet the night /
            The stars are small and very bright / Just close your eyes and hold me tight / The clouds drift by, all soft and white""",
        "sleep": """The hills are tired and want to sleep / The river murmurs, slow and deep /
            We count the stars instead of sheep / Across the lawn the shadows creep / There is one dream for you to keep""",
        "bed": """The cat is curled up on the bed / The last of all our books is read / The very last good night is said /
            Now rest your sleepy little head / The mice have had their crumbs of bread""",
        "moon": """The lake is shining like a spoon / Tomorrow will be coming soon / The crickets play a quiet tune /
            Up climbs the round and yellow moon / The roses dream of early June""",
        "slow": """The lamps along the street burn low / The dreams come walking, soft and slow / A little breeze begins to blow /
            The clouds have nowhere else to go / The window has a yellow glow""",
        "day": """The toys are tired and put away / It was a long and lovely day / The boats are resting in the bay /
            The birds have nothing left to say / The horses dream of oats and hay""",
    },
    "walking song": {
        "sun": """We start as early as the sun / A mile is long, but two are fun / The day has only just begun /
            We sing until the song is done / If it should rain, we simply run""",
        "hill": """The road goes up and down the hill / The wheel is turning at the mill / My boots have never once stood still /
            The morning air is fresh and chill / A robin greets us with a trill""",
        "free": """The road is long, and we are free / There is no better place to be / A bird is singing in a tree /
            We walk until we reach the sea / There's lunch enough for you and me""",
        "town": """We wave goodbye to all the town / My hat is old, my hat is brown / The leaves are gold and tumble down /
            The hilltop wears a misty crown / We have no time to wear a frown""",
        "back": """The sun is warm upon my back / We carry lunch inside a sack / Our shoes are muddy, wet, and black /
            We march beside the railroad track / The ducks all greet us, quack, quack, quack""",
        "side": """The world is big, the world is wide / My friend is walking by my side / The rabbits have no time to hide /
            We have a compass for a guide / The snail we met would like a ride""",
    },
    "kitchen song": {
        "pot": """The soup is bubbling in the pot / Be careful, for the spoon is hot / A little salt can do a lot /
            It may be soup, or it may not / I had a list, but I forgot""",
        "cake": """The oven hums, we mix, we bake / The jam goes right inside the cake / The table starts to dance and shake /
            Count every dumpling that you make / The smell alone keeps me awake""",
        "bread": """The butter melts upon the bread / The cherries shine, so round and red / We do not stop till all are fed /
            The baker has a floury head / There is some honey left to spread""",
        "spice": """A pinch of this, a pinch of spice / We tried it once, we tried it twice / We leave the crumbs for all the mice /
            The lemonade is cold as ice / Now everyone can have a slice""",
        "pie": """There is a blackbird in the pie / The pancake flew up to the sky / The onions always make me cry /
            We hang the towels up to dry / The stack of waffles grew too high""",
        "plate": """Bring every cup and every plate / The soup is here, so don't be late / Our guests are singing at the gate /
            It smells too good for us to wait / I had just seven, you had eight""",
    },
    "rain song": {
        "rain": """I hear the whisper of the rain / The drops are racing down the pane / The puddles trickle down the drain /
            There is a river in the lane / Good morning, gardens, trees, and grain""",
        "drop": """The raindrops drum and never stop / My hat is wet from brim to top / The gutter gurgles, drop by drop /
            Into the puddles now we hop / The frogs are singing, plip and plop""",
        "sound": """The thunder makes a rolling sound / The leaves are dancing round and round / The worms come up from underground /
            The sun is nowhere to be found / The snails are sailing, homeward bound""",
        "blue": """Tomorrow's sky will be so blue / There is a hole in my left shoe / The clouds have quite a lot to do /
            The garden smells all green and new / I share my dry old coat with you""",
        "pool": """The garden is a swimming pool / The air is fresh and clear and cool / We splash along our way to school /
            The cat sits dry upon her stool / We all jump in, for that's the rule""",
        "feet": """The rain has come to wash the street / The drops run by on tiny feet / The smell of summer rain is sweet /
            The clouds and rooftops almost meet / My rubber boots keep up the beat""",
    },
}

CHORUSES: dict[str, str] = {
    "lullaby": """[Sleep, {hero}, sleep, the day is through,⏎And {hero.friend} will dream a dream of you.|
        Hush now, {hero}, under your {hero.color} sheet,⏎Warm from your head right down to your feet.|
        Good night, dear {hero}, good night, good night,⏎Your {:color} lamp is burning bright.|
        Dream, {hero}, of {hero.food} tonight,⏎Tomorrow bring your appetite.]""",
    "walking song": """[Hey ho, {hero}, away we go⏎To {p:place}, come rain or snow.|
        Left foot, right foot, come along⏎With {hero} and {hero.friend} and a happy song.|
        Step by step in {hero.his} {:color} shoes,⏎{hero} has not a moment to lose.|
        Over the hills, {hero}, over the land,⏎With {:dish} close at hand.]""",
    "kitchen song": """[Stir it, {hero}, with a one, two, three,⏎Some for {hero.friend} and some for me.|
        {Hero.food}, {hero.food}, what a treat,⏎That is what {hero} loves to eat.|
        Clatter the pans and bang the lid,⏎{hero} burned it all and hid.|
        Knead it, {hero}, and roll it thin,⏎Knock, knock, {hero.friend}, come on in.]""",
    "rain song": """[Drip, drop, {hero}, hear it fall⏎On {p:place} and the garden wall.|
        Splish, splash, {hero}, in we go,⏎{hero.friend} is wet from head to toe.|
        Rain, rain, rain the livelong day,⏎Wash {hero}'s {c:color} paint away.|
        Pitter, patter, hear {hero} hum,⏎{hero.friend} is dancing to the drum.]""",
}
