"""The stories: each plot is a text with choices, and questions that one can answer who has listened.

What is settled in a story's first sentences (who, what, where, how many, why) comes back in its last ones.
"""

from __future__ import annotations

# passages that many stories share
PASSAGES = {
    "once": """[4×Once upon a time,|One {w:weather} {s:season} [morning|afternoon|evening],|Long ago, before
        [you were born|your grandmother was born|the moon had a name],]""",
    "about": """[{hero} lived {hero.home} and liked to {hero.likes}.|Nobody could {hero.likes} as well as {hero}.|
        {hero}, who loved {hero.food}, lived {hero.home}.|{His} favourite colour was {hero.colour}, and
        {his} favourite food was {hero.food}.|{His} best friend was {hero.friend.the}.] <detail>""",
    # nothing comes of these: they are only true, and nice to know
    "detail": """[{His} {k1:kin} was a {j1:job}, and {his} {k2:kin} a {j2:job}.|{He} wore {:material} {:garment}, even in
        {:month}.|{He} was born in {:month}, under a {:tree} tree, and could play the {:instrument}.|In {his} garden grew
        {:flower}, {:fruit} and a {:tree} tree.|In {:month} {he} had won {:number} {:flower} at {:game}.]""",
    "scene": """[{w:weather.scene}|{s:season.scene}|It was a {:day}, and the whole village smelled of
        {:dish}.|It was a {:day}, and {:number} {:colour} flags hung {:place.at}.|{Onlooker:animal.a} looked on and took notes.]""",
    "feast": """[{G1:cast}, {g2:cast} and {g3:cast} came by with {:number} {:fruit}, {:dish} and a {:treasure}.|They celebrated
        until {:when} with {hero.food}, {:number} {:fruit} and {:dish}, and {g1:cast} {:did} {:how}.|That night {hero} slept
        {hero.home} and dreamed of {:number} {:colour} {:animal}s and a {:material} {:treasure}.|On {:day} {hero} told it all to
        {g1:cast.the} and {g2:cast.the}, who {:did} {:how}.|Everyone got {:dish}, {:number} {:colour} {:fruit} and a
        {:treasure}.]""",
}

# plot -> (the story, its questions)
PLOTS: dict[str, tuple[str, str]] = {
    "lost and found": (
        """
        <once> {hero:cast.intro} lost a {c:colour} {thing:treasure}. <about> The {thing} had been
        [a birthday present from {hero.friend}|the first thing {he} ever bought|a prize from the fair|left to {him} by
        an old aunt].

        "{hero.cry}" cried {hero}. "[Where can it be?|A {thing} does not walk away!|I had it only yesterday!]" First
        {he} looked {p1:place.at}, but there were only {:p1.finds}. Then {he} looked {p2:place.at}, and found
        {:p2.finds} and {n:number} {f:fruit}.

        "[Think back|Sit down and think|Take a deep breath]," said {hero.friend} {:how}. "[Where did you have it last|Where
        were you yesterday|Where did you eat your {hero.food}]?" {hero} {:did}. So they went to {p3:place}, and there, [under some|between the|hidden by] {:p3.finds}, [lay|waited|shone]
        the {c} {thing}.

        <feast> From that day on, the {c} {thing} [hung over {his} bed|was tied to a string|slept under a pillow], and
        {hero} knew: [nothing is lost while a friend helps you look|the best place to look is the last one you
        remember|what you love should have a place of its own].
        """,
        """
        Who lost the {thing}? {hero}.
        What did {hero} lose? A {c} {thing}.
        What colour was the {thing}? {c}.
        Where was the {thing} in the end? {p3.at}.
        Who helped {hero} to think? {hero.friend}.
        How many {f} were {p2.at}? {n}.
        """,
    ),
    "a fear overcome": (
        """
        <once> there was {hero:cast.intro} who was afraid of {hero.fear}. [{His} knees shook|{His} stomach turned|{He}
        hid under the table] at the very thought of it. <about>

        One {d:day}, news came that {hero.friend.the} was stuck {p:place.at} [with a twisted ankle|with one foot in a
        bucket|and could not get down from a wall]. "Somebody must take {hero.friend.him} a {tool:tool}," said
        {other:cast.the}, "[but I am far too busy|but my back hurts|and I cannot leave my {other.food}]."

        {hero} picked up the {tool}. "And what about {hero.fear}?" {he} whispered. "{hero.cry}" But {he} counted to
        {n:number}, [sang a song|bit {his} lip|whistled loudly] and walked all the way to {p}. {hero.friend} {:did}. "Were you not afraid?"

        "Very," said {hero} {:how}. "But [you were more important|I came all the same|being brave was quicker than
        worrying]." <feast> Since then {he} is still afraid of {hero.fear}, only [not as much|a little less each {d}|never on a
        {d}], and [{hero.friend} keeps the {tool} over the door|the {tool} has a place of honour|nobody laughs about it].
        """,
        """
        What was {hero} afraid of? {hero.fear}.
        Who was stuck? {hero.friend}.
        Where was {hero.friend} stuck? {p.at}.
        What did {hero} bring? A {tool}.
        How far did {hero} count? To {n}.
        On which day did it happen? {d}.
        """,
    ),
    "a promise kept": (
        """
        <once> {hero:cast.intro} promised to bring {hero.friend.the} a {c:colour} {thing:treasure} before {d:day}.
        "[I give you my word|You can count on me|Cross my heart]," said {hero} {:how}. <scene>

        On the way, {he} came past {p1:place}, where {other:cast.the} [waved|called|stood cooking]. "Stay and have {food:dish}
        with me!" {hero} loved {food}. {He} {:did} and looked at the {c} {thing}. "[Another time|Tomorrow|Save me some]!" {he} called, and walked on.

        Then [the path broke off|a bridge was out|a stream had risen] near {p2:place}, and {hero} had to [climb over|wade
        through|crawl under] {:p2.finds} for {n:number} hours. When {he} knocked at last, it was [almost midnight|just
        before {d}|dark]. "{hero.friend.cry}" said {hero.friend} {:how}. "You came!"

        "I promised," said {hero}, and put down the {c} {thing}. <feast> [A promise is a small thing to give and a big thing to
        keep.|{hero.friend} had saved {him} some {hero.food}.|{He} slept with {his} boots on.] And the
        {food}? {other} had [saved a whole bowl for {him}|eaten the lot, and was sorry|brought some along in a bucket].
        """,
        """
        What did {hero} promise to bring? A {c} {thing}.
        Who was waiting for the {thing}? {hero.friend}.
        Who offered {hero} {food}? {other}.
        What did {other} offer? {food}.
        How many hours did {hero} lose near {p2}? {n}.
        By which day did {hero} have to come? {d}.
        """,
    ),
    "a race": (
        """
        <once> {hero:cast.the} and {rival:cast.the} held a race from {p1:place} to {p2:place}. The prize was a {c:colour}
        {thing:treasure}. "[I shall be there before you blink|You will only see my back|I have already won]," said
        {rival}. {hero} [said nothing|only smiled|tied {his} shoes twice].

        [Off they ran|Away they went|They were off]! <scene> {rival} was soon {n:number} [steps|trees|fences]
        ahead. But at the corner [sat|lay|cried] a {a:animal} [with a thorn in its foot|that had lost its way|caught in a
        fence]. {rival} [jumped over it|did not even look|had no time]. {hero} stopped. "{hero.cry} [Hold still|Poor
        thing|Let me help you]," {he} said[, and helped it|, and took {his} time].

        So {rival} won the {thing}[, of course|, by a mile|]. "[Hurrah|Naturally|I told you so]!" {rival.he} shouted, but
        [nobody clapped|it was very quiet {p2.at}]. Then came {hero}, last of all, with the {a} on {his} shoulder, and
        everyone cheered[ until the windows shook|].

        {rival} looked at the {c} {thing} for a while. "[This is yours|I think you dropped this|Mine was the shorter
        race]," {rival.he} said, and held it out to {hero}. <feast> [Now they share it, week by week.|Now the {a} sleeps in it,
        as far as it fits.|The one who stops can still be first.]
        """,
        """
        Where did the race begin? {p1.at}.
        Where did the race end? {p2.at}.
        What was the prize? A {c} {thing}.
        Who won the race? {rival}.
        Who stopped to help the {a}? {hero}.
        Which animal needed help? A {a}.
        """,
    ),
    "the storm": (
        """
        One stormy {s:season} night, the wind took the roof off {p:house}. {Hero:cast.the} [sat up in bed|heard it
        fly|saw it sail past the moon]. <about>

        "[All hands|Everybody out|Wake up]!" shouted {hero}. {He} ran to fetch a {tool:tool}. {Other:cast.the} brought
        {n:number} [nails|planks|sheets of tin] and a bucket of {food:dish}, and {hero.friend} held the {light=[lantern|lamp|
        candle]}. The rain [ran down their necks|came from all sides|fell in buckets]. "{other.cry}" cried {other}. "[My
        hat|My supper|My umbrella] is gone!"

        They [hammered|worked|climbed and carried] until [the stars came out|the cock crowed|sunrise]. Twice the wind
        blew out the {light}, and twice {hero.friend} lit it again. In the morning there was a new roof, [a little
        crooked|blue as the sky|made of doors and tablecloths], and under it they shared the {food} [with one spoon|straight from the bucket|from their hats].

        <feast> "[The wind can have one roof|Let it blow|It may come back]," said {hero}, "[but
        it cannot have our supper|as long as we have nails|but next time it might knock]." And the {tool} still hangs {p.at}, [in case|for the next storm|with a ribbon around it].
        """,
        """
        What did the wind take? The roof.
        What did {hero} fetch? A {tool}.
        What did they share in the morning? {food}.
        Who held the {light}? {hero.friend}.
        In which season did it happen? {s}.
        Who brought the {food}? {other}.
        """,
    ),
    "the secret": (
        """
        <once> {hero:cast.intro} had a secret. {He} was making a {c:colour} {thing:treasure} for {hero.friend}'s birthday,
        [on {d:day}|next {d:day}], and {he} hid it {p:place.at}, [between|under|behind] the {find:p.finds}.

        "Where do you go every {time=[morning|evening|afternoon]}?" asked {hero.friend}. "Nowhere," said {hero}[, and turned
        red|, and dropped {his} {hero.food}|]. "And why is there {c} paint on your [nose|ear|elbow]?" "It is [a
        rash|the fashion|jam]." {hero.friend} [was hurt|went away sadly|did not say a word more]. "[You do not like me any
        more|Friends tell each other everything]," {hero.friend.he} thought.

        That {time} {hero.friend} followed {him} on tiptoe, past {:animal.a} and {n:number} {:flower}, all the way to {p}.
        "{hero.friend.cry}" There stood {hero} among the {find}, [with a brush in {his} hand|with glue up to {his}
        knees|singing softly], and held up the {c} {thing}.

        "Now it is no surprise any more," [sighed|said|cried] {hero}. "It is," said {hero.friend} {:how}. "[I was surprised that I
        was wrong|I thought you had forgotten me|It is only early]." <feast> And on {d} {hero.friend.he} [was surprised once
        more, as well as {hero.friend.he} could|unwrapped the {thing} as if for the first time|gave {hero} half of the
        cake].
        """,
        """
        What was the secret present? A {c} {thing}.
        Where was the {thing} hidden? {p.at}.
        Whose birthday was it? {hero.friend}.
        On which day was the birthday? {d}.
        Who made the {thing}? {hero}.
        When did {hero} go out to work? Every {time}.
        """,
    ),
    "a trade that goes wrong": (
        """
        <once> {hero:cast.intro} went to market with a {c:colour} {thing:treasure}. <about> "I want something better," {he}
        [said|thought|told everyone].

        [By the well|At the gate|On the bridge] {he} met {one:cast.the}. "You can have my {two:tool} for it!" Done. But the {two}
        was [heavy|rusty|too long], so {hero} gave it to {three:cast.the} for {n:number} {f:fruit}. The {f} [rolled
        away|smelled odd|were sour], so {he} gave them to {four:cast.the} for a single {a:animal}. And the {a} [hopped off
        without a word|bit {him} in the thumb|flew away over the roofs].

        "{hero.cry}" said {hero} {:how}. "[I had a {c} {thing}, and now I have nothing|That was a bad bargain|I traded and traded,
        and here I stand]." {one} [felt sorry for {him}|had been watching|came by]. "[The {thing} does not suit me|I miss
        my {two}|Stop crying]," said {one} {:how}. "Bring me [a bucket of|a bit of|some] {hero.food}, and it is yours again."

        So {hero} did, and carried the {c} {thing} home [under {his} coat|with both hands|as if it were gold]. <feast> [Ask not what
        is better; ask what is yours.|Since that day {he} goes to market only to look.|{He} has never traded again, except
        jokes.]
        """,
        """
        What did {hero} take to market? A {c} {thing}.
        Who got the {thing} first? {one}.
        What did {one} give for the {thing}? A {two}.
        Who gave the {f}? {three}.
        How many {f} did {hero} get? {n}.
        Which animal got away? The {a}.
        """,
    ),
    "helping a stranger": (
        """
        <once> a stranger in a {c:colour} coat sat {p:place.at} and shivered. [The people hurried by.|Everybody looked the
        other way.] Only {hero:cast.the} stopped. <about>

        "[Are you hungry|Have you lost your way|Can I help you]?" asked {hero}. "I have come {n:number} [days|miles|hours]
        on foot," said the stranger, "and I have lost my {thing:treasure}." {hero} gave the stranger half of {his} {food:dish}
        and [a pair of warm socks|a place by the fire|a cup of tea]. Then they searched among the {:p.finds} together, and
        [in the last light|by and by|after an hour] they found the {thing}.

        "[Thank you|That was kind]," said the stranger, and [bowed|smiled|was gone]. {hero.friend} shook {hero.friend.his} head. "{hero.friend.cry}
        You gave your {food} to somebody you do not know?" "Now I know somebody more," said {hero} {:how}.

        A [week|month|year] later, a [golden coach|silver carriage|very long sleigh] came down the road, and out climbed {who=[the
        queen|the king|the mayor of the capital]}, in a {c} coat. "Where is {hero}? I still owe {him} some {food}." <feast> [The coat had very deep pockets.|There was enough for the whole village.|{hero} only asked for half.]
        """,
        """
        What colour was the stranger's coat? {c}.
        What had the stranger lost? A {thing}.
        Who stopped to help? {hero}.
        What did {hero} share? {food}.
        Who was the stranger? {who}.
        Where did the stranger sit? {p.at}.
        """,
    ),
    "a mistake owned up to": (
        """
        <once> {hero:cast.intro} ruined {hero.friend}'s {c:colour} {thing:treasure}. It happened [while {he} was showing off|
        on a {:day}, at breakfast|because {he} wanted to {hero.likes} indoors]: [rip|snap|oops], and there were {n:number} pieces.

        "{hero.cry}" whispered {hero}. Nobody had seen it but a {a:animal}. {He} [swept up|gathered|picked up] the pieces and
        hid them {p:place.at}, under the {find:p.finds}. [That night {he} could not sleep.|The {hero.food} tasted of nothing.|Every
        knock at the door made {him} jump.] "Have you seen my {thing}?" asked {hero.friend} the next day. "[No|Perhaps the {a} took
        it|Not since {:day}]," said {hero} {:how}.

        It was [the worst|the longest|the silliest] lie of {his} life[, and it grew and grew|, and it weighed like lead|]. At
        noon {hero} ran to {p}, dug out all {n} pieces and carried them to {hero.friend}. "I did it. I [was afraid to
        say so|am sorry|should have told you]."

        {hero.friend} was quiet [for a long time|for a moment|until the tea was cold]. "The {thing} can be mended," {hero.friend.he} said.
        "[A lie cannot|Now I know that you tell the truth|I ruined one of yours, too]." They glued it together over {dish:dish}.
        <feast> [One can still see the cracks, and {hero.friend} likes them best.|The {a} got the last crumb.|It is not as good as
        new, but it is better than before.]
        """,
        """
        What did {hero} ruin? A {c} {thing}.
        Whose {thing} was it? {hero.friend}.
        How many pieces were there? {n}.
        Where did {hero} hide the pieces? {p.at}.
        Who saw it happen? A {a}.
        What did they eat in the end? {dish}.
        """,
    ),
    "building something": (
        """
        <once> {hero:cast.the} and {hero.friend.the} decided to build {b:build.a} [behind the house|next to {p:place}|before
        {d:day}]. <scene> "[First we need a plan|It cannot be hard|My uncle once built two of them]," said {hero} {:how}.

        They had one {tool:tool}, {n:number} [boards|old barrels|bed sheets] and [plenty of string|no idea at all|a drawing on a
        napkin]. On the first try it fell on {hero}'s [foot|hat|lunch]. "{hero.cry}" On the second try it [stood for a
        whole minute|leaned like a tired horse|was upside down]. "{hero.friend.cry}" said {hero.friend} {:how}. "[Let us ask
        for help.|Who holds the plan upside down?|We forgot the middle.]"

        So they asked {other:cast.the}, who {:did}. "You
        have used the {tool} [the wrong way round|as a spoon|only on each other]," said {other} {:how}. [After that it went fast.|From
        then on they worked as three.|They started again from the bottom.]

        When the last [nail|knot|peg] was in, they could [really |at last |]{b.use}, and so could [all their friends|half the
        village|anyone who asked]. <feast> [What three can build, no wind can topple.|Only {other} had to be careful not to laugh too
        hard.|The first two tries make very good firewood.]
        """,
        """
        What did they build? {b.a}.
        Who helped {hero} and {hero.friend} to build? {other}.
        Which tool did they have? A {tool}.
        Who had the idea of building with {hero}? {hero.friend}.
        """,
    ),
    "a wish and its price": (
        """
        <once> {hero:cast.intro} [caught|netted|sat on] a golden {a=[fish|frog|beetle]} {p:place.at}. "Let me go," said the {a},
        "and I shall grant you a wish. But every wish has a price." <about>

        {hero} did not [think long|ask which|listen to the end]. "I wish for {n:number} {c:colour} {things=[balloons|ponies|
        hats|houses|birthday cakes]}!" [Puff|Ping|Whoosh], there they were. {hero} {:did} {:how}. But when {he} wanted to
        {hero.likes}, {he} no longer knew how. {He} tried {hero.food}, but everything tasted like [paper|dust|cold water]. And
        when {hero.friend} came by, {hero} [could not remember {hero.friend.his} name|asked who that was|did not wave].

        "{hero.cry} So that is the price," said {hero}, and ran back to {p}. "{A}, {a}, take it all back!" "[All {n}|Even the
        last one|Are you sure]?" asked the {a}. "[Every single one|All of it|Yes, and quickly]!"

        [Puff|Ping|Whoosh], the {c} {things} were gone. At home sat {hero.friend}, with {hero.food} on the table. {hero} had
        never [tasted anything so good|been so rich|wished for less]. <feast> [Some wishes are best kept as wishes.|The golden {a} is
        still there, and nobody asks it for anything.|Only one {c} feather was left, and nobody knows why.]
        """,
        """
        Who granted the wish? A golden {a}.
        How many {things} did {hero} wish for? {n}.
        What did {hero} wish for? {n} {c} {things}.
        What colour were the {things}? {c}.
        Where was the golden {a}? {p.at}.
        Who was waiting at home? {hero.friend}.
        """,
    ),
    "the noise in the night": (
        """
        [Once upon a time, on|On] a {w:rough} {s:season} night, {hero:cast.intro} was woken by a noise. {noise:sound}, it went. <about>
        {w.scene}

        "{hero.cry}" said {hero} and pulled the blanket [up to {his} nose|over {his} ears|around {his} shoulders]. "It is [a ghost|a
        burglar|a monster] with {n:number} [legs|teeth|heads]." {noise}! {He} took a {tool:tool} in one hand and a {thing:treasure}
        in the other, and [crept|tiptoed|marched] outside, as far as {p:place}.

        [There, in the dark,|Behind the {:p.finds},] something moved. {hero} lifted the {tool}. "Come out, whoever you
        are!" "[Not so loud!|Who is there?|Mind my nose!]" said a voice, and out came {hero.friend.the}.

        "What are you doing here?" "[I could not sleep|It is the only quiet hour], so I came to {hero.friend.likes}," said
        {hero.friend}. "And what is the {thing} for?" "[For the ghost|That is a long story|I forget]," said {hero} {:how}. [So they sat
        down and waited for the sun with {hero.friend.food}.|Now {he} always leaves a window open for that noise.|Most monsters
        are friends whom we cannot see well.] <feast> {noise}, it went, all night long.
        """,
        """
        Who woke up in the night? {hero}.
        What did {hero} take along besides the {thing}? A {tool}.
        Who made the noise? {hero.friend}.
        Where did {hero} find {hero.friend}? {p.at}.
        What did {hero.friend} want to do there? {hero.friend.likes}.
        """,
    ),
    "the guest who could not sleep": (
        """
        <once> {guest:cast.the} came to stay with {hero:cast.the} {hero.home}. <scene> They had {food:dish} for supper, and
        {n:number} [jokes|songs|riddles] for dessert. But at midnight {guest} was still awake. "[I cannot sleep|My eyes will
        not close|I have counted all the sheep]," said {guest} {:how}.

        {hero} brought a {c:colour} {thing:treasure} to hold. It did not help. {He} brought {two:treasure.a}, and that was
        worse. {He} even [sang|hummed|snored loudly, as an example]. "{guest.cry}" said {guest} {:how}. "[Now I am wide awake|That was
        very loud|Thank you, but no]."

        "What do you do at home, before you sleep?" asked {hero}. {guest} {:did}. "I
        {guest.likes}[, just for a minute|, and then I yawn|]. And {guest.friend} says [good night|sweet dreams|see you
        tomorrow]." "[Why did you not say so?"|Is that all?"|Then that is what we shall do,"] said {hero} {:how}.

        So they went and did it together, in the middle of the night, and {hero} said the words {guest.friend} says. [Before
        the last one,|At once,|A minute later,] {guest} was asleep, with the {c} {thing} in {guest.his} arms. <feast> [Home is a
        thing one can do anywhere.|In the morning it was {hero} who would not get up.|{hero} finished the {food}, very quietly.]
        """,
        """
        Who could not sleep? {guest}.
        Whose guest was {guest}? {hero}.
        What did they have for supper? {food}.
        What does {guest} do before going to sleep? {guest.likes}.
        Who says good night at home? {guest.friend}.
        What was {guest} holding in the end? The {c} {thing}.
        """,
    ),
    "the treasure map": (
        """
        <once> {hero:cast.intro} found a map wrapped around an old {thing:treasure}. "{N:number} steps from {p1:place}," it said, "then
        straight on to {p2:place}. Dig there." <about> "{hero.cry}" said {hero} {:how}. "[Gold|Pearls|I shall be rich]!"

        {He} asked {hero.friend} along, because [digging is hard|a treasure is heavy|two see more than one]. They walked {n} steps
        from {p1}, [over|past|around] the {:p1.finds}, and straight on to {p2}. There they dug with a {tool:digger}, and all they
        found was [mud|a worm|a hole] and {:p2.finds}. "[Deeper|Once more|Do not give up]," said {hero.friend} {:how}.

        At last the {tool} hit a {box=[box|chest|tin]}. Inside lay [no gold|not a single coin], but a {c:colour} {gift:treasure} and a
        note: "[Whoever digs together has found it already|The real treasure is standing next to you|Put something in for the
        next one]."

        They laughed, and [sat in the hole and ate {hero.food}|told each other stories|watched {:animal.a}] until it was dark. Then
        they put {hero.food} and a new note in the {box}, [and drew a new map|and hid the map well|and filled up the
        hole]. <feast> The {c} {gift} they keep in turns, and the map is back around the {thing}.
        """,
        """
        Where did {hero} find the map? Around an old {thing}.
        How many steps was it from {p1}? {n}.
        Where did they dig? {p2.at}.
        What did they dig with? A {tool}.
        What lay in the {box}? A {c} {gift}.
        Who went along with {hero}? {hero.friend}.
        """,
    ),
    "the boast": (
        """
        <once> {hero:cast.intro} told everyone that {he} had once [wrestled|outwitted|danced with] a sea monster with {n:number}
        {parts=[arms|tails|heads]}. "[It begged for mercy|It was nothing|I did not even wake up for it]," {he} said. <about>

        {Other:cast.the} came running. "Thank goodness you are here! There is a monster {p:place.at}. It has {n} {parts}, and it has
        eaten my {food:dish}." {hero} turned [pale|as white as milk|green]. "I have [a cold|to wash my hair|an appointment]," {he} said.
        But [they pushed {him} out of the door|everybody was looking at {him}|{hero.friend} already held {his} coat].

        Step by step {he} went to {p}, with nothing but a {tool:tool} and shaking knees. Something rustled among the {:p.finds}. "Dear
        monster," said {hero}, "I must tell the truth: [I have never met one of you|I made it all up|I am afraid of
        {hero.fear}]." Then {he} saw who it was: [only|just|none other than] a {a:animal}, with {food} on its chin.

        "[You told the truth at last|That was brave|Well spoken]," said {hero.friend}, who had followed {him}. {hero} [blushed|
        sighed|laughed]. <feast> Now {he} tells it like this: "Once I met a {a} {p.at}, and I was very much afraid." [It is a better
        story, too.|And the {a} grows a little every time.|Everybody believes it.]
        """,
        """
        What did {hero} boast about? A sea monster.
        How many {parts} did the monster have? {n}.
        What was eaten? The {food}.
        Who had eaten the {food}? A {a}.
        Where was the monster said to be? {p.at}.
        Who asked {hero} for help? {other}.
        """,
    ),
    "the way home": (
        """
        <once> {hero:cast.intro} found a very small {a:animal} {p1:place.at}. It [cried|trembled|sniffed] and did not know the
        way home. <about> "[Do not cry|Climb on my back|I know everybody here]," said {hero}, and gave it [a taste of|some]
        {hero.food}.

        They asked {one:cast.the}. "[Try|Ask at] {p2:place}," said {one}, without looking up from {one.his} {one.food}. But {p2.at} there were
        only {:p2.finds}. They asked {two:cast.the}. "{two.cry}" said {two} {:how}. "[Everything small comes from|I heard crying from|Look
        for a {c:colour} door near] {p3:place}." [The sun was low already.|It was {n:number} miles.|{w:weather.scene}]

        {hero} sang to the {a} all the way, [though {he} knew but one song|until {he} was hoarse|and carried it under {his} hat]. And
        {p3.at}, among the {:p3.finds}, stood a mother {a} with {m:number} little ones, and counted them [again and again|in
        tears|aloud]. "One is missing," she said. "[Not any more|Here it is|Count again]," said {hero} {:how}.

        [What a dance that was!|How they all talked at once!|They would not let {him} go.] {hero} walked home alone [under the
        stars|on tired feet|and whistled]. <feast> Since then, whenever {he} comes past {p3}, a {a} [runs along beside {him}|waves from
        far away|sings {his} song].
        """,
        """
        What did {hero} find? A small {a}.
        Where did {hero} find the {a}? {p1.at}.
        Where was the mother? {p3.at}.
        Who sent them to {p2}? {one}.
        Who sent them to {p3}? {two}.
        What did {hero} give the {a} to eat? {hero.food}.
        """,
    ),
    "the missing dish": (
        """
        <once> a whole [pan|bowl|tray] of {food:dish} disappeared from {p:house}. {Hero:cast.the} was sent for, [being nosy by profession|because {he} owned a magnifying glass|as always]. <about>

        "[Nobody leaves this place|Stand back|Everything is a clue]," said {hero} {:how}. There were crumbs between the {find:p.finds},
        and a {c:colour} {thing:treasure} lay [on|under|beside] the table. "That is mine," said {one:cast.the}, "but I was
        {alibi=[asleep|in the bath|at my aunt's]} all {d:day}." {Two:cast.the}, who touched only {two.food},
        {:did}.

        {hero} [followed the crumbs|measured the footprints|sniffed the air]. The trail led {n:number} steps to the left, around a corner and
        [through a window|down a ladder|over a fence], straight to {hero}'s own bed. "{hero.cry}" There stood the dish, empty. "So it
        was I," said {hero}, "and [I walk in my sleep|I dreamed of {food}|I did not know it]!"

        {one} got back the {c} {thing}, {two} [laughed the loudest|got an apology|was the first to forgive], and {hero} had to
        make new {food} [for everyone|with {his} own hands|until midnight]. <feast> [A good detective looks at home, too.|Since then
        {hero.friend} ties {his} foot to the bed.|It is the only case {he} ever solved.]
        """,
        """
        What had disappeared? The {food}.
        Who had eaten the {food}? {hero}.
        Whose {thing} was it? {one}.
        What colour was the {thing}? {c}.
        How many steps did the trail lead to the left? {n}.
        Who had to make new {food}? {hero}.
        """,
    ),
}
