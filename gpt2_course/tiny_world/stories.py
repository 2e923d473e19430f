"""The stories: each plot is a template, plus questions that the story answers.

The last sentences return to what the first ones establish (who, what, where, how many, why).
"""

from __future__ import annotations

# Passages that many stories share.
PASSAGES = {
    # Two beginnings: one for something that happens on one day, one for something that lasts.
    "once": """[4×Once upon a time,|One {w:weather} {s:season} [morning|afternoon|day],|Not [so|very] long ago,]""",
    "ago": """[3×Once upon a time,|Not [so|very] long ago,]""",
    "about": """[{hero} lived {hero.home} and liked to {hero.likes}.|Nobody could {hero.likes} like {hero}.|{hero},
        who loved {hero.food}, lived {hero.home}.|{His} favorite color was {hero.color}, and {his} favorite food was
        {hero.food}.|{His} best friend was {hero.friend.the}.] <detail>""",
    # Details that do not affect the plot.
    "detail": """[2×All of {his} [uncles|aunts|cousins] were [farmers|sailors|singers|bakers|twins|tall].|{His}
        {:kin} was a {:job}, and {he} was very proud of that.|Every {:month}, {he} wore {:material} {:garment}.|{He} was
        born in {:month} under a {:tree} tree and could play the {:instrument}.|{His} garden had {:flower},
        [radishes|onions|carrots|turnips|potatoes], and a {:tree} tree.|One {:month}, {he} had won a bunch of {:flower}
        at {:game}.]""",
    "feast": """[The whole village came to celebrate, even the {:job}, with {:dish}, a basket of {:fruit}, and some
        {:flower}.|They celebrated until {:when} with {hero.food}, {:fruit}, and {:dish}, and even the {:job}
        {:did}.|Then they had a party, and everyone got {:dish}, some {:fruit}, and new {:material} {:garment}.|The next
        night, {hero} slept {hero.home} and dreamed of a {:color} moon and a {:job}.|The next day, {hero} told the whole
        story to a {:job}, who {:did}.]""",
    # The same after a night.
    "later": """[The next day, {hero} told the whole story to a {:job}, who {:did}.|The next night, {hero} slept
        {hero.home} and dreamed of a {:color} moon and a {:job}.|The next day, they had a picnic with {hero.food},
        {:fruit}, and {:dish}, and even the {:job} {:did}.|The next morning, a {:job} came by with {:dish}, some
        {:fruit}, and new {:material} {:garment}.]""",
}

# plot → (the story, its questions)
#
# Every plot has a hero, a friend or another character, a thing and its color, and a place. These are drawn early and
# recur until the last sentence. Anything drawn without a name is mentioned only once.
PLOTS: dict[str, tuple[str, str]] = {
    "lost and found": (
        """
        <once> {hero:cast.intro} lost a {c:color} {thing:treasure}. <about> [The {c} {thing} had been a present from
        {hero.friend}.|{He} had bought the {thing} with {his} own money.|{He} had won the {c} {thing} at the fair.]

        "{hero.cry}" cried {hero}. "[Where can it be?|A {thing} can't just walk away!|I had it only yesterday!]" {He}
        looked [under the bed|in the soup pot|behind the door] and found {n:number} {f:fruit}. {He} searched
        {q:place.at} and found [nothing|a {:animal}|only dust and {:flower}].

        Then {he} met {other:cast.the}. "[I saw a {thing}|Someone found a {thing}|Go look for your {thing}]
        {p:place.at}," said {other} {:how}. So {hero} dropped everything and ran to {p}, and there, [half hidden
        by|tucked behind|right beside] some {:p.finds}, [lay|waited|sat] the {c} {thing}.

        <feast> From that day on, the {c} {thing} [had its own special shelf|never left {his} sight|was kept in a safe
        place], and {hero} knew: [nothing is lost as long as a friend helps you look|you find things in the last place
        you look|the things we love deserve a place of their own].
        """,
        """
        Who lost the {thing}? {hero}.
        What did {hero} lose? A {c} {thing}.
        What color was the {thing}? It was {c}.
        Where did {hero} find the {thing}? {p.at}.
        Who knew where the {thing} was? {other}.
        How many {f} did {hero} find? {hero} found {n}.
        """,
    ),
    "a fear overcome": (
        """
        <ago> {hero:cast.intro} had a {c:color} {thing:treasure} and was afraid of {hero.fear}. <about>

        One {:day} in {:season}, news came from {p:place}: {other:cast.the} [had twisted an ankle|had one foot stuck in
        a bucket|was all tangled up in string]. "Someone has to [go|help]," [everyone said|said the whole village],
        looking [at the floor|out the window|the other way].

        {hero} tucked the {c} {thing} [into {his} bag|under {his} arm|close to {his} heart]. "But what about
        {hero.fear}?" {he} whispered. "{hero.cry}" Then {he} counted {n:number} slow breaths, held the {thing} tight,
        and ran to {p}. {other} {:paused}. "Weren't you afraid?"

        "Very," said {hero} {:shy}. "But I counted {n} breaths, and [you were more important|I came anyway|being brave
        was quicker than worrying]." <feast> {hero} is still afraid of {hero.fear}, but [not as much|a little less|not
        nearly so much] after {n} slow breaths, and the {c} {thing} [goes everywhere with {him}|has a place of honor|is
        always close by].
        """,
        """
        What was {hero} afraid of? {hero.fear}.
        Who needed help? {other}.
        Where was {other}? {p.at}.
        What did {hero} take along? A {c} {thing}.
        How many breaths did {hero} count? {hero} counted {n}.
        What color was the {thing}? It was {c}.
        """,
    ),
    "a promise kept": (
        """
        <once> {hero:cast.intro} promised to bring a {c:color} {thing:treasure} to {other:cast.the} before {d:day}. "[I
        give you my word|You can count on me|Cross my heart]," said {hero} {:how}. <about>

        On the way, someone called, "Stay and have {:dish} with us!" {hero} {:paused} and looked at the {c} {thing}.
        "[Another time|Maybe tomorrow|Save me some]!" {he} called, and walked on.

        Then [the path ended|the road was washed out|the way was blocked] near {p:outdoors}, and {hero} had to
        [stumble|creep|wander] among the {:p.finds} for {n:number} hours, with the {thing} [balanced on {his} head|held
        to {his} chest|tucked under {his} coat]. When {he} knocked at last, it was [almost midnight|dark|late], but not
        too late. "{other.cry}" said {other}. "You came!"

        "It took me {n} hours," said {hero} {:how}, "but I promised." And {he} put down the {c} {thing}. "Who else would
        have done that?" asked {other}. <later> [A promise is a small thing to give and a big thing to keep.|{other} has
        never lent the {c} {thing} to anyone.|It was the best {thing} {other} had ever had.]
        """,
        """
        What did {hero} promise to bring? A {c} {thing}.
        Who was waiting for the {thing}? {other}.
        What color was the {thing}? It was {c}.
        How many hours did it take {hero}? It took {n} hours.
        Who kept a promise? {hero}.
        When did {hero} have to arrive? Before {d}.
        """,
    ),
    "a race": (
        """
        <ago> {hero:cast.intro} wanted a {c:color} {thing:treasure}. It was the prize in a race to {p:place}, and
        {other:cast.the} wanted it, too. "[I'll be there before you blink|All you will see is my back|The {c} {thing} is
        as good as mine]," said {other} {:grand}. {hero} [said nothing|only smiled|tied {his} shoes twice]. <about>

        [Off they ran|Away they went|They were off]! Soon {other} was {n:number} {k=[trees|fences|houses]} ahead. But
        around the bend [sat|lay|waited] a small {a:animal} that [had hurt itself|had lost its way|was too tired to go
        on]. {other} [jumped over it|did not even look|had no time to stop]. {hero} stopped. "{hero.cry} [Hold
        still|Up you go|Let me help you]," {he} said {:how}, and picked it up.

        So {other} won the {thing}[, of course|], but everyone was very quiet. Then came {hero}, last of all, with the
        little one on {his} shoulder, and everyone cheered[ until the ground shook|].

        {other} looked at the {c} {thing} for a while. "I was {n} {k} ahead," said {other} {:how}, "but [this is
        yours|you won the day|yours was the better race]," and {other.he} held it out to {hero}. <feast> Now {hero} and
        {other} share the {c} {thing}. [They take turns, week by week.|Sometimes the last one in wins the most.|And
        neither of them runs past anyone in need.]
        """,
        """
        Where did the race end? {p.at}.
        What was the prize? A {c} {thing}.
        Who won the race? {other}.
        Who stopped to help the {a}? {hero}.
        Which animal needed help? A {a}.
        How many {k} ahead was {other}? {other} was {n} {k} ahead.
        """,
    ),
    "the storm": (
        """
        <ago> {hero:cast.intro} had a {c:color} {thing:treasure} and kept it {p:house.at}. <about> Then, one stormy
        {:season} night, the wind tore the roof off {p}.

        "[All hands on deck|Everybody out|Wake up]!" shouted {hero}. {Other:cast.the} brought {n:number}
        {k=[nails|planks|tablecloths]} and plenty of {:dish}, and {hero} carried the {c} {thing} [under {his}
        coat|through the storm|from corner to corner]. The rain [ran down their necks|came from all sides|came down in
        buckets]. "{other.cry}" cried {other}. "[My hat|My supper|My umbrella] is gone!"

        They [hammered|worked|climbed and carried] until [the stars came out|the rooster crowed|sunrise]. Twice the wind
        tore the {thing} from {hero}'s grip, and twice {hero} caught it again. In the morning, there was a new roof, [a
        little crooked|as blue as the sky|made of doors].

        "[The wind can have one roof," said {hero} {:how}, "but not two|Let the wind blow," said {hero} {:how}, "as long
        as we have {k}|The wind may come back," said {hero} {:how}, "but next time it should knock]." <feast> And the
        {c} {thing} is still {p.at}, [just in case|ready for the next storm|safe and sound].
        """,
        """
        What did the wind tear off? The roof.
        Where did {hero} keep the {thing}? {p.at}.
        What did {hero} carry? A {c} {thing}.
        Who brought the {k}? {other}.
        How many {k} did {other} bring? {other} brought {n}.
        Who caught the {thing} twice? {hero}.
        """,
    ),
    "the secret": (
        """
        <once> {hero:cast.intro} made a {c:color} {thing:treasure} for {hero.friend}'s birthday. It was a secret, so
        {he} hid it {p:place.at}, [among|behind|underneath] the {:p.finds}. <about>

        "Where do you go every [morning|evening|afternoon]?" asked {hero.friend}. "Nowhere," said {hero} {:shy}. "And
        why is there {c} paint on your [nose|ear|elbow]?" "It's [a rash|the latest fashion|jam]." {hero.friend} [looked
        hurt|walked away sadly|did not say another word].

        On {:day}, {hero.friend} tiptoed after {him}, past {n:number} {f:flower}, all the way to {p}.
        "{hero.friend.cry}" There stood {hero}, [with a pot of glue|with paint up to {his} elbows|with bright red
        cheeks], holding up the {c} {thing}.

        "Now it isn't a surprise anymore," said {hero} {:how}. "Yes, it is," said {hero.friend}. "[I was sure you were
        up to no good|I thought you had forgotten me|Nobody ever made me a {thing}]." When the birthday came, there were
        {n} {f} on the table, and {hero.friend} unwrapped the {c} {thing} [as if {hero.friend.he} had never seen it|very
        slowly|with closed eyes]. <feast>
        """,
        """
        What was the secret? A {c} {thing}.
        Where was the {thing} hidden? {p.at}.
        Who was the {thing} for? {hero.friend}.
        Who tiptoed after {hero}? {hero.friend}.
        Who made the {thing}? {hero}.
        How many {f} were on the table? There were {n}.
        """,
    ),
    "a trade that goes wrong": (
        """
        <once> {hero:cast.intro} took a {c:color} {thing:treasure} to the market. <about> "I want something better than
        a {thing}," {he} [said|thought|told everyone].

        [By the well|At the gate|On the bridge], {he} met {other:cast.the}. "I'll give you {n:number} {f:fruit} for your
        {c} {thing}!" said {other} {:how}. It was a deal, but the {f} [were moldy|smelled funny|had worms], so {hero}
        traded them for a {:tool}, and that for some {:garment}, and those for a {a:animal}. And the {a} [slipped away
        without a word|hid and was never found|vanished into the crowd].

        "{hero.cry}" said {hero}. "I had a {thing}, and now I have nothing." {other} [felt sorry for {him}|had been
        watching|happened to come by]. "[This {thing} doesn't suit me|I have no use for a {thing}|I have a {thing} at
        home]," said {other}. "Meet me {p:place.at} with some {hero.food}, and it's yours again."

        So {hero} ran to {p} and came home with the {c} {thing} [under {his} coat|in one piece|on {his} head]. <feast>
        The {c} {thing} is not for sale anymore. [The best things are often the ones you already have.|{hero} goes to
        the market only to look.|{hero} has never traded again, except for jokes.]
        """,
        """
        What did {hero} take to the market? A {c} {thing}.
        Who got the {thing}? {other}.
        What did {other} give for the {thing}? {other} gave {n} {f}.
        How many {f} did {other} give? {other} gave {n}.
        Which animal got away? A {a}.
        Where did {hero} get the {thing} back? {p.at}.
        """,
    ),
    "helping a stranger": (
        """
        <ago> {hero:cast.intro} had a {c:color} {thing:treasure} and not much else. <about> Then a stranger came, sat
        down {p:outdoors.at}, and cried. [Everyone hurried past.|Everyone looked the other way.|Only a {:animal}
        stopped.]

        "[Are you hungry|Have you lost your way|Can I help you]?" asked {hero} {:how}. "I have traveled for {n:number}
        {k=[days|nights|hours]}," said the stranger, "and nobody has given me so much as a {thing}." {hero}
        [smiled|nodded|sighed|hesitated|sat down|knelt down|came closer|looked around] and gave the stranger some
        {hero.food} and the {c} {thing}.

        The stranger [hugged|kissed|admired] the {thing} and was gone. "{hero.friend.cry}" said {hero.friend}. "You gave
        your {c} {thing} to someone you don't know?" "Now I know someone new," said {hero} {:how}.

        A [week|month|year] later, everyone ran to {p}. There stood a [golden coach|silver carriage|very long sleigh],
        and out climbed {who=[the queen|the king|the mayor]} with the {c} {thing}. "I was the stranger," said {who}. "I
        traveled for {n} {k} again, but this time to thank {hero}." <feast> [Kindness always finds its way home.|{hero}
        says that anyone would have done the same.|And {hero.friend} has greeted every stranger since.]
        """,
        """
        What did {hero} give away? A {c} {thing}.
        Who helped the stranger? {hero}.
        What did the stranger get to eat? Some {hero.food}.
        Who was the stranger? It was {who}.
        Where did the stranger sit down? {p.at}.
        How many {k} did the stranger travel? The stranger traveled for {n} {k}.
        """,
    ),
    "a mistake owned up to": (
        """
        <once> {hero:cast.intro} ruined a {c:color} {thing:treasure}. <about> The {thing} belonged to {other:cast.the}.
        It happened [while {hero} was showing off|on a {:day} at breakfast|while {hero} was trying to {hero.likes}]:
        [oops|uh-oh|whoops]! There were {n:number} pieces.

        "{hero.cry}" whispered {hero}. Nobody had seen it but a small {a:animal}. {hero} [swept up|gathered|picked up]
        what was left of the {c} {thing} and hid it {p:place.at}, among the {:p.finds}. [That night, {he} could not
        sleep.|Even {hero.food} did not help.|Every knock at the door made {him} jump.] "Have you seen my {thing}?"
        asked {other} {:how}. "[No|Not today|Not since {:day}]," said {hero}.

        It was the [worst|biggest|silliest] lie of {his} life[, and it grew and grew|, and it weighed on {him}]. At
        last, {hero} ran to {p}, dug out all {n} pieces of the {c} {thing}, and carried them to {other}. "I did it. I
        [was afraid to say so|am so sorry|should have told you]."

        {other} was quiet [for a long time|for a moment|until the tea was cold]. "[A {thing} can be mended, but a lie
        can't|Thank you for telling me the truth|I ruined one of yours, too]," said {other} {:how}. Together, they fixed
        the {thing}. <feast> You can still see where the {c} {thing} was mended. [{other} likes it better that way.|It
        is stronger than ever.|But you have to look closely.]
        """,
        """
        What did {hero} ruin? A {c} {thing}.
        Who did the {thing} belong to? {other}.
        How many pieces were there? There were {n}.
        Where did {hero} hide the pieces? {p.at}.
        Who saw it happen? A {a}.
        Who told a lie? {hero}.
        """,
    ),
    "building something": (
        """
        <ago> {hero:cast.intro} had a {c:color} {thing:treasure}, {n:number} {k=[boards|logs|beams]}, and [plenty of
        string|no plan at all|a drawing on a napkin]. <about> {Other:cast.the} came along, and they decided to build
        {b:build.a} {p:outdoors.at}.

        On the first try, everything fell down, and the {c} {thing} landed on {hero}'s [foot|hat|lunch]. "{hero.cry}" On
        the second try, everything [stood for a whole minute|leaned like a tired horse|was upside down]. "{other.cry}"
        said {other}. "That's no way to build {b.a}. [Let's ask for help.|Which way is up?|We forgot the middle.]"

        So they asked {hero.friend}, who {:did}. "You put the {thing} [in the middle|at the bottom|on the wrong side],"
        said {hero.friend}. "The pretty part goes on top." [After that, it went fast.|From then on, they worked as a
        team.|They started over.]

        When the last of the {n} {k} was in place, {hero} said, "So three of us can build {b.a}!" Now they could
        {b.use}, and so could [all their friends|half the village|anyone who asked]. <feast> And at the very top of the
        {b} sat the {c} {thing}. [What three can build, no wind can topple.|The first two tries are forgotten.|You can
        see it from far away.]
        """,
        """
        What did they build? They built {b.a}.
        Who started building with {hero}? {other}.
        What sat at the very top? A {c} {thing}.
        Who did they ask for help? {hero.friend}.
        Where did they build it? {p.at}.
        How many {k} did {hero} have? {hero} had {n}.
        """,
    ),
    "a wish and its price": (
        """
        <ago> {hero:cast.intro} wanted a {c:color} {thing:treasure}. <about> Then one {:day} {he} [caught|netted|scooped
        up] a golden fish {p:water.at}. "Let me go," said the fish, "and I will grant you a wish. But every wish has a
        price."

        {hero} did not [think twice|ask what it was|listen to the end]. "I wish for a {thing} {n:number} times as big as
        a house!" [Poof|Ping|Whoosh]! There stood the {c} {thing}, exactly {n} times as big as a house. {hero}
        {:paused}. But when {he} wanted to {hero.likes}, {he} no longer knew how. {He} tried {hero.food}, but everything
        tasted like [paper|dust|cold water]. And when {hero.friend} came by, {hero} [asked who {hero.friend.he} was|did
        not even wave|could not recall {hero.friend.his} name].

        "{hero.cry} So that's the price," said {hero}, and ran back to {p}. "Fish, fish, take the {thing} back!"

        [Poof|Ping|Whoosh]! The {c} {thing} was gone. At home, {hero.friend} was waiting with {hero.food}. <feast>
        {hero} never wished for a {c} {thing} again. [Some wishes are best left as wishes.|The golden fish is still
        there, but nobody asks it for anything.|It is wise to wish for what you already have.]
        """,
        """
        Who granted the wish? A golden fish.
        What did {hero} wish for? A {c} {thing}.
        What color was the {thing}? It was {c}.
        Where was the golden fish? {p.at}.
        Who was waiting at home? {hero.friend}.
        How big was the {thing}? It was {n} times as big as a house.
        """,
    ),
    "the noise in the night": (
        """
        <ago> {hero:cast.intro} kept a {c:color} {thing:treasure} beside the bed. <about> On a {:rough} {:season} night,
        a noise woke {him} up. "{:sound}," it went.

        "{hero.cry}" said {hero}, pulling the blanket [up to {his} nose|over {his} ears|around {his} shoulders]. "It
        must be a [ghost|burglar|monster] with {:number} [legs|teeth|heads]." {He} took the {c} {thing} [for
        courage|just in case|and a deep breath] and [crept|tiptoed|marched] outside, all the way to {p:outdoors}.

        Among the {:p.finds}, something moved. {hero} lifted the {thing}. "Come out, whoever you are!" "[Not so
        loud!|Who's there?|Watch my nose!]" said a voice, and out came {hero.friend.the}.

        "What are you doing here?" "[I couldn't sleep|It's the only quiet hour], so I came to {hero.friend.likes}," said
        {hero.friend} {:how}. "And what is the {c} {thing} for?" "[For courage|That's a long story|I forget]," said
        {hero}. <later> The {c} {thing} is beside the bed again. [Most monsters are just friends in the dark.|But the
        window stays open.|And some nights, {hero} and {hero.friend} go out together.]
        """,
        """
        Who heard a noise? {hero}.
        What did {hero} take along? A {c} {thing}.
        Who made the noise? {hero.friend}.
        Where did {hero} find {hero.friend}? {p.at}.
        What color was the {thing}? It was {c}.
        What did {hero.friend} come to do? {hero.friend} came to {hero.friend.likes}.
        """,
    ),
    "the guest who could not sleep": (
        """
        <once> {hero:cast.intro} packed a {c:color} {thing:treasure}. <about> Then {he} went to stay with
        {other:cast.the}, who lived {other.home}. For supper they had {:dish}, and for dessert they had {n:number}
        {k=[jokes|songs|riddles]}. But at midnight, {hero} was still awake. "[I can't sleep|My eyes won't stay closed|I
        have counted all the sheep]," said {hero} {:shy}.

        {other} brought {hero} the {c} {thing} to hold. It did not help. {other} [sang|hummed|snored loudly, to show
        how]. The {thing} fell on the floor. "{hero.cry}" said {hero}. "[Now I'm wide awake|That was very loud|Thank
        you, but no]."

        "What do you do at home before bed?" asked {other}. {hero} {:paused}. "I {hero.likes}[, just for a minute|, and
        then I yawn|]. And {hero.friend} tells me, '[Good night|Sweet dreams|See you tomorrow].'" "[Is that all?|Then
        let's do that!|Why didn't you say so?]" said {other} {:how}, and picked up the {thing}.

        So they did it together in the middle of the night, and {other} said what {hero.friend} always says. [Before the
        last word,|At once,|A minute later,] {hero} was asleep, with the {c} {thing} in {his} arms. <later> [Home is
        something you can do anywhere.|Ever since, {other} has slept better, too.|The best pillow is a friend who
        listens.]
        """,
        """
        Who couldn't sleep? {hero}.
        Who did {hero} stay with? {other}.
        What does {hero} like to do at home before bed? {hero} likes to {hero.likes}.
        Who says good night to {hero} at home? {hero.friend}.
        What was {hero} holding in the end? A {c} {thing}.
        How many {k} did they have for dessert? They had {n}.
        """,
    ),
    "the treasure map": (
        """
        <ago> {hero:cast.intro} wanted a {c:color} {thing:treasure}. <about> Then {he} found a map. "To find a {thing},"
        it said, "walk {n:number} steps from {p:place} and dig." "{hero.cry}" said {hero}. "[I always wanted a
        {thing}!|Who doesn't want a {thing}?|A {thing} of my own!]"

        {He} asked {hero.friend} to come along, because [digging is hard|treasure is heavy|two heads are better than
        one]. They ran to {p}, [jumped over|hurried past|went around] the {:p.finds}, walked {n} steps, and dug with a
        {:digger} until {:when}. All they found was [mud|a worm|an old boot]. "[Deeper|Try again|Don't give up]," said
        {hero.friend} {:how}. "We did count {n} steps."

        At last, they hit a [box|chest|tin]. There lay the {c} {thing}, and with it a note: "[Friends who dig together
        have already found it|The real treasure is standing next to you|Put something in for the next person]."

        They laughed and [ate {hero.food} in the hole|told each other stories|watched a {:animal}] for a good long
        while. <later> {hero} and {hero.friend} take turns with the {c} {thing}, and [the map is hidden again|there is a
        new map|nobody else has found the hole].
        """,
        """
        What did {hero} want? A {c} {thing}.
        How many steps did they walk? They walked {n}.
        Where did they go to count steps? {p.at}.
        What lay in the ground? A {c} {thing}.
        Who went along with {hero}? {hero.friend}.
        What color was the {thing}? It was {c}.
        """,
    ),
    "the boast": (
        """
        <ago> {hero:cast.intro} had a {c:color} {thing:treasure} and said it came from a sea monster. "[It begged for
        mercy|It was nothing|I won it in a fight]," {he} said. <about>

        {Other:cast.the} came running. "Thank goodness you're here! The monster is {p:place.at}, and it wants its
        {thing} back!" {hero} turned [pale|as white as milk|green]. "I have [a cold|to wash my hair|an appointment],"
        {he} said {:shy}. But [someone pushed {him} out the door|everyone was looking at {him}|{other} was already
        holding {his} coat].

        So {he} ran to {p} to get it over with and held up the {c} {thing}. Something rustled among the {:p.finds}.
        "Dear monster," said {hero} {:shy}, "I must tell the truth: I [bought|found|borrowed] the {thing}, and I am
        afraid of {hero.fear}." Then {he} saw who it was: [only|just|nothing but] a {a:animal}.

        "[You told the truth at last|That was brave|Well said]," said {hero.friend}, who had followed {him} and was
        petting the monster. <feast> Now {hero} says, "No monster ever owned the {c} {thing}, and one little {a} made me
        shake." [It is a better story, too.|And the {a} grows a little every time.|Everyone believes it.]
        """,
        """
        What did {hero} have? A {c} {thing}.
        Who did {hero} say the {thing} came from? A sea monster.
        What was the monster really? A {a}.
        Where was the monster supposed to be? {p.at}.
        Who came running? {other}.
        Who followed {hero}? {hero.friend}.
        """,
    ),
    "the way home": (
        """
        <once> {hero:cast.intro} found a {c:color} {thing:treasure}, and beside it sat a very small {a:animal}. It
        [cried|trembled|sniffled] and did not know the way home. <about> "[Don't cry|Climb on my back|I know everyone
        here]," said {hero} {:how}, and gave the little one some {hero.food}.

        They asked {other:cast.the}. "{other.cry}" said {other}. "[There is only one {thing} like that|I know that {c}
        {thing}|Everyone knows that {thing}]. It comes from {p:outdoors}." [The sun was already low.|{w:weather.scene}]
        {hero} walked {n:number} miles, sang to the little one, and carried the {c} {thing} [on {his} back|in {his}
        bag|under {his} arm].

        "That was {n} miles," said {hero} when they came to {p}. Among the {:p.finds}, the little one's mother was
        counting her children [again and again|through her tears|out loud]. "One is missing," she said. "[Not
        anymore|Here it is|Count again]," said {hero} {:how}.

        [How they all danced!|How they all talked at once!|They would not let {him} go.] "{hero} walked {n} miles for
        us," they sang. <feast> Ever since, when {hero} passes {p}, someone small [waves|runs along with|shows {him}] a
        {c} {thing}.
        """,
        """
        Who sat beside the {thing}? A small {a}.
        What did {hero} find? A {c} {thing}.
        Where was the {a}'s mother? {p.at}.
        Who knew where the {thing} came from? {other}.
        What did {hero} give the {a} to eat? Some {hero.food}.
        How many miles did {hero} walk? {hero} walked {n} miles.
        """,
    ),
    "the detective": (
        """
        <once> {hero:cast.intro} was missing a {c:color} {thing:treasure}. <about> {Other:cast.the} came to help, [being
        very nosy|with a magnifying glass|as always].

        "[Nobody move|Stand back|Everything is a clue]," said {other} {:how}. They searched {p:place.at}, but there were
        only {:p.finds} and no {c} {thing}. "I was [asleep|sound asleep|in bed with a cold] all day {:day}," said {hero}
        {:shy}, "and when I woke up, the {thing} was gone."

        {other} [measured the footprints|sniffed the air|followed some crumbs] and walked {n:number} steps to the left,
        around a corner, and [through a window|down a ladder|over a fence], straight to {hero}'s own bed. "{hero.cry}"
        There lay the {thing}. "So it was me," said {hero}. "[I must walk in my sleep|I did dream of a {thing}|And I
        never knew it]!"

        "[Case closed|I knew it|Elementary]," said {other}. "It took only {n} steps." And {other.he} looked at the {c}
        {thing} once more. <feast> {other} still tells everyone, "It took only {n} steps." [A good detective looks at
        home first.|Now {hero} sleeps with a bell on each foot.|It is the only case {other} ever solved.]
        """,
        """
        What was missing? A {c} {thing}.
        Who had taken the {thing}? {hero}.
        Who came to help? {other}.
        What color was the {thing}? It was {c}.
        How many steps did {other} walk? {other} walked {n} steps.
        Where did they look first? {p.at}.
        """,
    ),
}
