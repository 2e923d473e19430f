"""The songs: rhyming couplets in lines of four beats, and a repeated chorus."""

from __future__ import annotations

# mood → rhyme → lines; any two lines of one rhyme make a couplet, and no two end in the same word
COUPLETS: dict[str, dict[str, str]] = {
    "lullaby": {
        "night": """The moon has lit her silver light / The owls come out to see the night /
            The stars are small and very bright / So close your eyes and hold on tight / The snow lies round us, soft and white""",
        "sleep": """The hills are tired and want to sleep / The river murmurs, slow and deep /
            We count the clouds instead of sheep / The shadows through the garden creep / There is one dream for you to keep""",
        "bed": """The cat is curled up on the bed / The last of all the books is read / The sky has turned from gold to red /
            Now rest your heavy little head / The mice have had their crumbs of bread""",
        "moon": """The lake is shining like a spoon / Tomorrow will be coming soon / The crickets play a quiet tune /
            Up climbs the round and yellow moon / The night has blown up its balloon""",
        "slow": """The lamps along the street burn low / The dreams come walking, soft and slow / A little breeze begins to blow /
            The clouds have nowhere else to go / The window has a yellow glow""",
        "day": """The toys are tired and put away / It was a long and lovely day / The fog comes in across the bay /
            The words have nothing left to say / The horses dream of oats and hay""",
    },
    "walking song": {
        "sun": """We start as early as the sun / A mile is long, but two are fun / The day has only just begun /
            We sing until the song is done / And if it rains, we start to run""",
        "hill": """The road goes up and down the hill / The wheel goes round beside the mill / My boots have never once stood still /
            The morning air is fresh and chill / The lark is up to try its trill""",
        "free": """The road is long and we are free / There is so very much to see / A thrush sings high up in a tree /
            We walk until we reach the sea / There will be bread and jam for tea""",
        "town": """We wave goodbye to all the town / My hat is old, my hat is brown / The leaves are gold and tumble down /
            The king would give away his crown / We have no time to wear a frown""",
        "back": """The sun is warm upon my back / We carry lunch inside a sack / Our shoes are muddy, wet and black /
            We go along the railway track / The ducks all greet us, quack, quack, quack""",
        "side": """The world is big, the world is wide / My friend is walking by my side / The rabbits have no time to hide /
            We have a compass for a guide / The snail we met would like a ride""",
    },
    "kitchen song": {
        "pot": """The soup is bubbling in the pot / Be careful, for the spoon is hot / A little salt can do a lot /
            It may be soup, or it may not / We tie the apron with a knot""",
        "cake": """The oven hums, we mix, we bake / The jam goes right inside the cake / The table starts to dance and shake /
            Count every dumpling that you make / The smell alone keeps me awake""",
        "bread": """The butter melts upon the bread / The cherries shine, so round and red / We do not stop till all are fed /
            The baker has a floury head / There is some honey left to spread""",
        "spice": """A pinch of this, a pinch of spice / We tried it once, we tried it twice / The crumbs are left for all the mice /
            The pudding has a heart of rice / And everyone may have a slice""",
        "pie": """There is a blackbird in the pie / The pancake flew up to the sky / The onions always make me cry /
            We hang the dishes up to dry / The tower of waffles grew too high""",
        "plate": """Bring every cup and every plate / The soup is here, so don't be late / Our guests are singing at the gate /
            It smells too good for us to wait / I had but seven, you had eight""",
    },
    "rain song": {
        "rain": """I hear the whisper of the rain / The drops are racing down the pane / The ducks are happy once again /
            There is a river in the lane / It waters gardens, trees and grain""",
        "drop": """Hear how they drum and never stop / My hat is wet from brim to top / The gutter gurgles, drop by drop /
            Into the puddles, off we hop / The frogs are singing, plip and plop""",
        "sound": """The thunder makes a rolling sound / The leaves are dancing round and round / The worms come up out of the ground /
            The sun is nowhere to be found / The snails are sailing, homeward bound""",
        "blue": """And then the sky is washed and blue / There is a hole in my left shoe / The clouds have better things to do /
            The morning smells of grass and dew / I share my dry old coat with you""",
        "pool": """The garden is a swimming pool / The air is washed and clear and cool / We splash along our way to school /
            The cat sits dry upon her stool / To jump right in, that is the rule""",
        "feet": """The rain has come to wash the street / It taps its song with tiny feet / The smell of summer rain is sweet /
            The drops and windows love to meet / My rubber boots keep up the beat""",
    },
}

CHORUSES: dict[str, str] = {
    "lullaby": """[Sleep, {hero}, sleep, the day is through,⏎And {hero.friend} will dream a dream of you.|
        Hush, {hero}, hush, my {hero.colour} star,⏎I sing for you, wherever you are.|
        Good night, dear {hero.kind}, good night, good night,⏎The {:colour} lamp is burning bright.|
        Dream, {hero}, of {hero.food} tonight,⏎And morning brings another bite.]""",
    "walking song": """[Hey ho, {hero}, away we go,⏎To {p:place}, come rain or snow.|
        Left foot, right foot, come along,⏎With {hero} and {hero.friend} and a song.|
        Step by step and mile by mile,⏎{hero} goes with a {:colour} smile.|
        Over the hills, {hero}, over the land,⏎With {:dish} in either hand.]""",
    "kitchen song": """[Stir it, {hero}, one, two, three,⏎Some for {hero.friend} and some for me.|
        {Hero.food}, {hero.food}, what a treat,⏎That is what {hero} loves to eat.|
        Clatter the pans and clap the lid,⏎{hero} burnt it all and hid.|
        Knead it, {hero}, and roll it thin,⏎Knock, says {hero.friend}, let me in.]""",
    "rain song": """[Drip, drop, {hero}, hear it fall,⏎On {p:place} and the garden wall.|
        Splish, splash, {hero}, in we go,⏎{hero.friend} is wet from top to toe.|
        Rain, rain, {hero}, rain all day,⏎Wash the {c:colour} dust away.|
        Pitter, patter, hear {hero} hum,⏎{hero.friend} is dancing to the drum.]""",
}
