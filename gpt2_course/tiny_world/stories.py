"""The stories: each plot is a template, plus questions that the story answers.

The last sentences return to what the first ones establish (who, what, where, how many, why).
"""

from __future__ import annotations

# Passages that many stories share.
PASSAGES = {
    "once": """[4×Once upon a time,|One {w:weather} {s:season} [morning|afternoon|evening],|Not [so|very] long ago,]""",
    "about": """[{hero} lived {hero.home} and liked to {hero.likes}.|Nobody could {hero.likes} as well as {hero}.|
        {hero}, who loved {hero.food}, lived {hero.home}.|{His} favourite colour was {hero.colour}, and
        {his} favourite food was {hero.food}.|{His} best friend was {hero.friend.the}.] <detail>""",
    # Details that do not affect the plot.
    "detail": """[2×All {his} [uncles|aunts|cousins] were [hatters|sailors|singers|bakers|twins|tall].|{His} {:kin} was a {:job}, and {he} was proud of it.|{He} wore {:material} {:garment} every {:month}.|{He} was born in {:month}, under a {:tree} tree, and could play the {:instrument}.|In {his} garden grew {:flower}, [radishes|onions|carrots|turnips|potatoes] and a {:tree} tree.|In {:month} {he} had won some {:flower} at {:game}.]""",
    "feast": """[The {:job} and the whole village came by with {:dish}, a basket of {:fruit} and some {:flower}.|They celebrated
        until {:when} with {hero.food}, {:fruit} and {:dish}, and the {:job} {:did}.|The next night {hero} slept {hero.home} and dreamed of a {:material} moon and a {:job}.|The next day {hero} told it all to a {:job}, who {:did}.|Everyone got {:dish}, some {:fruit} and {:material} {:garment}.]""",
}

# plot → (the story, its questions)
#
# Every plot has a hero, a friend or another character, a thing and its color, and a place. These are drawn early and
# recur until the last sentence. Anything drawn without a name is mentioned only once.
PLOTS: dict[str, tuple[str, str]] = {
    "lost and found": (
        """
        <once> {hero:cast.intro} lost a {c:colour} {thing:treasure}. <about> [The {c} {thing} had been a present from
        {hero.friend}.|{He} had bought the {thing} with {his} own money.|{He} had won the {c} {thing} at the fair.]

        "{hero.cry}" cried {hero}. "[Where can it be?|A {thing} does not walk away!|I had it only yesterday!]" {He} looked
        [under the bed|in the soup pot|behind the door], and found {n:number} {f:fruit}. {He} looked {:place.at}, and
        found [nothing|a {:animal}|dust and {:flower}].

        Then {he} met {other:cast.the}. "[I saw a {thing}|Somebody has seen a {thing}|Go and look for your {thing}]
        {p:place.at}," said {other} {:how}. So {hero} let everything lie, ran to {p}, and there, [under some|between the|hidden by]
        {:p.finds}, [lay|waited|shone] the {c} {thing}.

        <feast> From that day on, the {c} {thing} [hung over {his} bed|was tied to a string|slept under a pillow], and
        {hero} knew: [nothing is lost while a friend helps you look|the best place to look is the last one|what you love
        should have a place of its own].
        """,
        """
        Who lost the {thing}? {hero}.
        What did {hero} lose? A {c} {thing}.
        What colour was the {thing}? It was {c}.
        Where was the {thing} in the end? {p.at}.
        Who knew where the {thing} was? {other}.
        How many {f} did {hero} find? {hero} found {n}.
        """,
    ),
    "a fear overcome": (
        """
        <once> {hero:cast.intro} had a {c:colour} {thing:treasure} and was afraid of {hero.fear}. <about>

        One {:day}, news came from {p:place}: {other:cast.the} [had twisted an ankle|had one foot in a bucket|could not get
        down from a wall]. "[Somebody must go|Somebody must help]," [everybody said|said the whole village], and looked
        [at the floor|out of the window|the other way].

        {hero} put the {c} {thing} [in {his} pocket|under {his} arm|on {his} head]. "And what about {hero.fear}?" {he} whispered.
        "{hero.cry}" But {he} counted {n:number}, yes, {n} breaths, held on to the {thing} and ran to {p}. {other} {:did}. "Were
        you not afraid?"

        "Very," said {hero} {:how}. "But I counted {n} breaths, and [you were more important|I came all the same|being brave was quicker than worrying]."
        <feast> {hero} is still afraid of {hero.fear}, only [not as much|a little less|not quite as often] when {he} has counted {n} breaths, and the {c}
        {thing} [hangs over the door|has a place of honour|is polished every week].
        """,
        """
        What was {hero} afraid of? Of {hero.fear}.
        Who needed help? {other}.
        Where was {other}? {p.at}.
        What did {hero} take along? A {c} {thing}.
        How many breaths did {hero} count? {hero} counted {n}.
        Who counted {n} breaths? {hero}.
        """,
    ),
    "a promise kept": (
        """
        <once> {hero:cast.intro} promised a {c:colour} {thing:treasure} to {other:cast.the}, before {d:day}. "[I give you
        my word|You can count on me|Cross my heart]," said {hero} {:how}. <about>

        On the way, somebody called: "Stay and have {:dish} with us!" {hero} {:did} and looked at the {c} {thing}. "[Another
        time|Tomorrow|Save me some]!" {he} called, and walked on.

        Then [the path broke off|a bridge was out|a stream had risen] near {p:place}, and {hero} had to [stumble|creep|find a way] among the {:p.finds} and counted {n:number} hours, with the {thing} [on {his} head|between {his} teeth|under {his}
        coat]. When {he} knocked at last, it was [almost midnight|dark|late], but not too late. "{other.cry}" said {other}. "You
        came!"

        "I counted {n} hours," said {hero} {:how}, "but I promised," and put down the {c} {thing}. "Who else would have counted {n} hours?" said {other}. <feast> [A promise is a small thing to give and a big
        thing to keep.|{other} has never lent the {c} {thing} to anyone.|It was the best {thing} that {other} ever had.]
        """,
        """
        What did {hero} promise to bring? A {c} {thing}.
        Who was waiting for the {thing}? {other}.
        What colour was the {thing}? It was {c}.
        How many hours did {hero} count near {p}? {hero} counted {n}.
        Who kept a promise? {hero}.
        When did {hero} have to come? Some time before {d}.
        """,
    ),
    "a race": (
        """
        <once> {hero:cast.intro} wanted a {c:colour} {thing:treasure}. It was the prize of a race to {p:place}, and {other:cast.the} wanted
        it, too. "[I
        shall be there before you blink|You will only see my back|The {c} {thing} is as good as mine]," said {other} {:how}. {hero}
        [said nothing|only smiled|tied {his} shoes twice]. <about>

        [Off they ran|Away they went|They were off]! Soon {other} was so far ahead that people counted {n:number}, yes, {n} [steps|trees|fences] between them. But at the corner [sat|lay|waited] a small {a:animal} [that had hurt itself|that had lost its way|caught in a fence]. {other} [jumped
        over it|did not even look|had no time]. {hero} stopped. "{hero.cry} [Hold still|Poor thing|Let me help you]," {he} said {:how}, and picked it up.

        So {other} won the {thing}[, of course|], but everybody was very quiet. Then came {hero}, last of all, with the
        little one on {his} shoulder, and everyone cheered[ until the windows shook|].

        {other} looked at the {c} {thing} for a while. "They counted {n} between us," said {other} {:how}, "but [this is yours|you won the day|mine was the shorter
        race]," and held it out to {hero}. <feast> Now {hero} and {other} share the {c} {thing}. [It works week by
        week.|The one who stops can still be first.|The little one sleeps in it, as far as it fits.]
        """,
        """
        Where did the race end? {p.at}.
        What was the prize? A {c} {thing}.
        Who won the race? {other}.
        Who stopped to help the {a}? {hero}.
        Which animal needed help? A {a}.
        How many did people count between them? They counted {n}.
        """,
    ),
    "the storm": (
        """
        [3×Once upon a time,|Not [so|very] long ago,] {hero:cast.intro} had a {c:colour} {thing:treasure}, and it hung {p:house.at}. <about> Then, on a stormy {:season} night,
        the wind took the roof off.

        "[All hands|Everybody out|Wake up]!" shouted {hero}. {Other:cast.the} brought {n:number} [nails|planks|tablecloths]
        and a bucket of {:dish}, and {hero} used the {c} {thing} [as a hammer|as a lamp|to keep the rain off]. The rain [ran
        down their necks|came from all sides|fell in buckets]. "{other.cry}" cried {other}. "[My hat|My supper|My umbrella]
        is gone!"

        They [hammered|worked|climbed and carried] until [the stars came out|the cock crowed|sunrise]. Twice the wind tore the
        {thing} out of {his} hands, and twice {hero} caught it again. In the morning there was a new roof, [a little
        crooked|blue as the sky|made of doors].

        <feast> ["The wind can have one roof," said {hero} {:how}, "but it cannot have two."|"Let it blow," said {hero} {:how}, "as
        long as we have nails."|"It may come back," said {hero} {:how}, "but next time it might knock."] And the {c} {thing} still hangs on the wall, [in case|for the next storm|for another windy night].
        """,
        """
        What did the wind take? The roof.
        Where did it happen? {p.at}.
        What did {hero} use? A {c} {thing}.
        Who brought a bucket? {other}.
        What hung on the wall in the end? A {c} {thing}.
        Who caught the {thing} twice? {hero}.
        """,
    ),
    "the secret": (
        """
        <once> {hero:cast.intro} made a {c:colour} {thing:treasure} for the birthday of {hero.friend}. It was a secret, and {he} hid it {p:place.at},
        [between|under|behind] the {:p.finds}. <about>

        "Where do you go every [morning|evening|afternoon]?" asked {hero.friend}. "Nowhere," said {hero} {:how}. "And why is
        there {c} paint on your [nose|ear|elbow]?" "It is [a rash|the fashion|jam]." {hero.friend} [was hurt|went away
        sadly|did not say a word more].

        On {:day} {hero.friend} followed {him} on tiptoe, counted {n:number} {f:flower} on the way, and ran to {p}.
        "{hero.friend.cry}" There stood {hero}, [with a brush in {his} hand|with glue up to {his} knees|singing softly],
        and held up the {c} {thing}.

        "Now it is no surprise any more," said {hero} {:how}. "It is," said {hero.friend}. "[I was surprised that I was
        wrong|I thought you had forgotten me|Nobody ever made me a {thing}]." <feast> And on the birthday there were flowers on the table, and {hero.friend} unwrapped the {c} {thing} [as if for the first time|very slowly|with closed eyes].
        """,
        """
        What was the secret? A {c} {thing}.
        Where was the {thing} hidden? {p.at}.
        For whom was the {thing}? {hero.friend}.
        Who followed {hero} on tiptoe? {hero.friend}.
        Who made the {thing}? {hero}.
        How many {f} did {hero.friend} count? {hero.friend} counted {n}.
        """,
    ),
    "a trade that goes wrong": (
        """
        <once> {hero:cast.intro} took a {c:colour} {thing:treasure} to market. <about> "I want something better than a
        {thing}," {he} [said|thought|told everyone].

        [By the well|At the gate|On the bridge] {he} met {other:cast.the}. "You can have {n:number} {f:fruit} for your {c} {thing}!"
        said {other} {:how}. Done. But they [were bruised|smelled odd|were sour], so {he} swapped them for a {:tool}, and that
        for some {:garment}, and those for a {a:animal}. And that [hopped off without a word|bit {him} on the thumb|flew away over the roofs].

        "{hero.cry}" said {hero}. "I had a {thing}, and now I have nothing." {other} [felt sorry for {him}|had been watching|
        came by]. "[The {thing} does not suit me|I have no use for a {thing}|I have a {thing} at home]," said {other}. "Meet me {p:place.at} with some {hero.food}, and it is yours again."

        So {hero} ran to {p}, and came home with the {c} {thing} [under {his} coat|in both hands|on {his} head]. <feast> The {c}
        {thing} is not for sale any more. [Ask not what is better; ask what is yours.|{hero} goes to market only to look.|{hero}
        has never traded again, except jokes.]
        """,
        """
        What did {hero} take to market? A {c} {thing}.
        Who got the {thing}? {other}.
        What could {hero} have for the {thing}? {hero} could have {n} {f}.
        How many {f} could {hero} have? {hero} could have {n}.
        Which animal got away? A {a}.
        Where did {hero} get back the {thing}? {p.at}.
        """,
    ),
    "helping a stranger": (
        """
        <once> {hero:cast.intro} had a {c:colour} {thing:treasure} and not much else. <about> Then a stranger came, sat down {p:place.at} and cried. [The people hurried by.|Everybody looked the other way.|Only a {:animal} stopped.]

        "[Are you hungry|Have you lost your way|Can I help you]?" asked {hero} {:how}. "I counted {n:number}, yes, {n} [days|miles|hours] on the way," said the stranger, "and nobody has given me as much as a {thing}." {hero} {:did}, and gave the stranger some
        {hero.food} and the {c} {thing}.

        The stranger [hugged|kissed|dusted off] the {thing} and was gone. "{hero.friend.cry}" said {hero.friend}. "You gave
        your {c} {thing} to somebody you do not know?" "Now I know somebody more," said {hero} {:how}.

        A [week|month|year] later, everybody ran to {p}. There stood a [golden coach|silver carriage|very long sleigh], and out
        climbed {who=[the queen|the king|the mayor]} with the {c} {thing}. "I was the stranger. I counted {n} again," said a voice, "but this time I
        came to thank {hero}."  <feast> [Kindness comes home by
        coach.|{hero} had known it all along.|And {hero.friend} has greeted every stranger since.]
        """,
        """
        What did {hero} give away? A {c} {thing}.
        Who helped the stranger? {hero}.
        What did the stranger get to eat? Some {hero.food}.
        Who was the stranger? It was {who}.
        Where did the stranger sit? {p.at}.
        What colour was the {thing}? It was {c}.
        """,
    ),
    "a mistake owned up to": (
        """
        <once> {hero:cast.intro} ruined a {c:colour} {thing:treasure}. It belonged to {other:cast.the}. It happened [while {he} was showing
        off|on a {:day}, at breakfast|because {he} wanted to {hero.likes} indoors]: [rip|snap|oops]! {He} counted {n:number}, yes, {n}
        pieces. <about>

        "{hero.cry}" whispered {hero}. Nobody had seen it but a small {a:animal}. {He} [swept up|gathered|picked up] what was left of
        the {c} {thing} and hid it {p:place.at}, under the {:p.finds}. [That night {he} could not sleep.|The {hero.food}
        tasted of nothing.|Every knock at the door made {him} jump.] "Have you seen my {thing}?" asked {other} {:how}. "[No|Which
        {thing}|Not since {:day}]," said {hero}.

        It was the [worst|longest|silliest] lie of {his} life[, and it grew and grew|, and it weighed like lead|]. At noon
        {hero} ran to {p}, dug out the {c} {thing}, counted {n} pieces and carried them to {other}. "I did it. I [was afraid to
        say so|am sorry|should have told you]."

        {other} was quiet [for a long time|for a moment|until the tea was cold]. "[A {thing} can be mended, and a lie
        cannot|Now I know that you tell the truth|I ruined one of yours, too]," said {other} {:how}. They counted {n} pieces and glued them
        together. <feast> One can still see the cracks in the {c} {thing}. [{other} likes them best.|It is better than
        before.|But only from close by.]
        """,
        """
        What did {hero} ruin? A {c} {thing}.
        Whose {thing} was it? {other}.
        How many pieces did {hero} count? {hero} counted {n}.
        Where did {hero} hide the pieces? {p.at}.
        Who saw it happen? A {a}.
        Who told a lie? {hero}.
        """,
    ),
    "building something": (
        """
        <once> {hero:cast.intro} had a {c:colour} {thing:treasure}, {n:number} [boards|barrels|bed sheets] and [plenty of string|no idea at
        all|a drawing on a napkin]. <about> {Other:cast.the} came along, and they wanted to build {b:build.a} {p:place.at}.

        On the first try the {c} {thing} fell on {hero}'s [foot|hat|lunch]. "{hero.cry}" On the second try everything [stood for a
        whole minute|leaned like a tired horse|was upside down]. "{other.cry}" said {other}. "Nobody can build {b.a} like that. [Let us ask for help.|Who holds
        the plan upside down?|We forgot the middle.]"

        So they asked {hero.friend}, who {:did}. "You have used the {thing} [the wrong way round|upside down|inside out]," said {hero.friend}. "To build {b.a}, begin at the bottom." [After that it went fast.|From then on they worked as three.|They started again.]

        When the last [nail|knot|peg] was in, {hero} said, "So three can build {b.a}!" And they could {b.use}, and so could [all their friends|half the village|anyone
        who asked]. <feast> And at the very top shone the {c} {thing}. [What three can build, no wind can topple.|The first two
        tries make very good firewood.|It can be seen from far away.]
        """,
        """
        What did they build? They wanted to build {b.a}.
        Who wanted to build with {hero}? {other}.
        What did they have? A {c} {thing}.
        Whom did they ask for help? {hero.friend}.
        Where did they build? {p.at}.
        What colour was the {thing}? It was {c}.
        """,
    ),
    "a wish and its price": (
        """
        <once> {hero:cast.intro} wanted a {c:colour} {thing:treasure}. <about> Then {he} [caught|netted|sat on] a golden fish {p:place.at}. "Let
        me go," said the fish, "and I shall grant you a wish. But every wish has a price."

        {hero} did not [think long|ask which|listen to the end]. "I wish for a {thing}, exactly {n:number}, yes, {n} times as big as a house!" [Puff|Ping|Whoosh], there stood the {c} {thing}, exactly {n} times as big as a house. {hero} {:did}. But when {he} wanted to {hero.likes}, {he} no
        longer knew how. {He} tried {hero.food}, but everything tasted like [paper|dust|cold water]. And when {hero.friend}
        came by, {hero} [asked who that was|did not wave|had forgotten the name].

        "{hero.cry} So that is the price," said {hero}, and ran back to {p}. "Fish, fish, take the {thing} back!"

        [Puff|Ping|Whoosh], the {c} {thing}, exactly {n} times as big as a house, was gone. At home sat {hero.friend}, with {hero.food} on the table. <feast> {hero} never
        wished for a {c} {thing} again. [Some wishes are best kept as wishes.|The golden fish is still there, and nobody asks
        it for anything.|What we have, we should wish for.]
        """,
        """
        Who granted the wish? A golden fish.
        What did {hero} wish for? A {c} {thing}.
        What colour was the {thing}? It was {c}.
        Where was the golden fish? {p.at}.
        Who was waiting at home? {hero.friend}.
        How many times as big as a house was the {thing}? It was exactly {n} times as big.
        """,
    ),
    "the noise in the night": (
        """
        [3×Once upon a time,|Not [so|very] long ago,] {hero:cast.intro} kept a {c:colour} {thing:treasure} beside the bed. <about> On a {:rough} {:season} night, {he} was woken by a
        noise. {:sound}, it went.

        "{hero.cry}" said {hero} and pulled the blanket [up to {his} nose|over {his} ears|around {his} shoulders]. "It is a [ghost|burglar|monster] with {:number} [legs|teeth|heads]." {He} took the {c} {thing} [for courage|in both hands|and a deep breath] and [crept|tiptoed|marched] outside, as far as {p:place}.

        Behind the {:p.finds}, something moved. {hero} lifted the {thing}. "Come out, whoever you are!" "[Not so loud!|Who is
        there?|Mind my nose!]" said a voice, and out came {hero.friend.the}.

        "What are you doing here?" "[I could not sleep|It is the only quiet hour], so I came to {hero.friend.likes}," said
        {hero.friend} {:how}. "And what is the {c} {thing} for?" "[For courage|That is a long story|I forget]," said {hero}. <feast>
        The {c} {thing} is beside the bed again. [Most monsters are friends whom we cannot see well.|But the window is
        open.|And at night {hero} and {hero.friend} go out together.]
        """,
        """
        Who was woken by a noise? {hero}.
        What did {hero} take along? A {c} {thing}.
        Who made the noise? {hero.friend}.
        Where did {hero} find {hero.friend}? {p.at}.
        What colour was the {thing}? It was {c}.
        What did {hero.friend} want to do there? {hero.friend} wanted to {hero.friend.likes}.
        """,
    ),
    "the guest who could not sleep": (
        """
        <once> {hero:cast.intro} packed a {c:colour} {thing:treasure}. <about> {He} went to stay with {other:cast.the} {other.home}. {hero} and {other} had {:dish} for supper, and
        {n:number} [jokes|songs|riddles] for dessert. But at midnight {hero} was still awake. "[I cannot sleep|My eyes will not
        close|I have counted all the sheep]," said {hero} {:how}.

        {other} brought {hero} the {c} {thing} to hold. It did not help. {other} [sang|hummed|snored loudly, as an example]. The {thing} fell on
        the floor. "{hero.cry}" said {hero}. "[Now I am wide awake|That was very loud|Thank you, but no]."

        "What do you do at home, before you sleep?" asked {other}. {hero} {:did}. "I {hero.likes}[, just for a minute|, and
        then I yawn|]. And {hero.friend} says '[good night|sweet dreams|see you tomorrow]'." "[Is that all|Then let us do
        that|Why did you not say so]," said {other} {:how}, and picked up the {thing}.

        So they did it together, in the middle of the night, and {other} said the words {hero.friend} says. [Before the last
        one,|At once,|A minute later,] {hero} was asleep, with the {c} {thing} in {his} arms. <feast> [Home is a thing one can do
        anywhere.|In the morning it was {other} who would not get up.|The best pillow is a friend who listens.]
        """,
        """
        Who could not sleep? {hero}.
        Whose guest was {hero}? {other}.
        What does {hero} like to do before going to sleep? {hero} likes to {hero.likes}.
        Who says good night at home? {hero.friend}.
        What was {hero} holding in the end? A {c} {thing}.
        What colour was the {thing}? It was {c}.
        """,
    ),
    "the treasure map": (
        """
        <once> {hero:cast.intro} wanted a {c:colour} {thing:treasure}. <about> Then {he} found a map. "Whoever wants a {thing}," it said, "must count
        {n:number}, yes, {n} steps from {p:place} and dig." "{hero.cry}" said {hero}. "[I always wanted a {thing}!|Who does not want a {thing}?|A {thing} of my own!]"

        {He} asked {hero.friend} along, because [digging is hard|a treasure is heavy|two see more than one]. They ran to {p}, [over|past|around] the {:p.finds}, to count {n} steps, and dug with a {:digger} until {:when}. All they found was [mud|a
        worm|a hole]. "[Deeper|Once more|Do not give up]," said {hero.friend} {:how}. "We did count {n} steps."

        At last they hit a [box|chest|tin]. There lay the {c} {thing}, and with it a note: "[Whoever digs together has found it
        already|The real treasure is standing next to you|Put something in for the next one]."

        They laughed, and [sat in the hole and ate {hero.food}|told each other stories|watched {:animal.a}] for a good long while. <feast> {hero} and {hero.friend} take turns with the {c} {thing}, and [the map is hidden again|there is a new map|nobody has found the
        hole].
        """,
        """
        What did {hero} want? A {c} {thing}.
        How many steps did they have to count? They had to count {n}.
        Where did they go to dig? {p.at}.
        What lay in the ground? A {c} {thing}.
        Who went along with {hero}? {hero.friend}.
        What colour was the {thing}? It was {c}.
        """,
    ),
    "the boast": (
        """
        <once> {hero:cast.intro} had a {c:colour} {thing:treasure}, and said it was from a sea monster. "[It begged for
        mercy|It was nothing|I did not even wake up for it]," {he} said. <about>

        {Other:cast.the} came running. "Thank goodness you are here! The monster is {p:place.at}, and it wants its {thing}
        back!" {hero} turned [pale|as white as milk|green]. "I have [a cold|to wash my hair|an appointment]," {he} said {:how}. But
        [they pushed {him} out of the door|everybody was looking at {him}|{other} already held {his} coat].

        So {he} ran to {p}, to get it over with, and held up the {c} {thing}. Something rustled among the {:p.finds}. "Dear
        monster," said {hero} {:how}, "I must tell the truth: I [bought|found|borrowed] the {thing}, and I am afraid of
        {hero.fear}." Then {he} saw who it was: [only|just|nothing but] a {a:animal}.

        "[You told the truth at last|That was brave|Well spoken]," said {hero.friend}, who had followed {him}, and stroked the monster. <feast> Now {hero} says:
        "No monster ever owned the {c} {thing}, and a very small one made me shake." [It is a better story, too.|And the small one grows a
        little every time.|Everybody believes it.]
        """,
        """
        What did {hero} have? A {c} {thing}.
        From whom did {hero} say it was? A sea monster.
        Who was there in truth? A {a}.
        Where was the monster said to be? {p.at}.
        Who came running? {other}.
        Who followed {hero}? {hero.friend}.
        """,
    ),
    "the way home": (
        """
        <once> {hero:cast.intro} found a {c:colour} {thing:treasure}, and behind it sat a very small {a:animal}. It [cried|trembled|sniffed] and did
        not know the way home. <about> "[Do not cry|Climb on my back|I know everybody here]," said {hero} {:how}, and gave it
        some {hero.food}.

        They asked {other:cast.the}. "{other.cry}" said {other}. "[There is only one {thing} like that|I know this {c} {thing}|Follow
        the {thing}]. It comes from {p:place}." [The sun was low already.|{w:weather.scene}] {hero} counted {n:number}, yes, {n} miles, sang to the little one and carried the {c} {thing} [on {his} back|around {his} neck|under {his} hat].

        "I counted {n} miles," said {hero}, and they ran to {p}. There, among the {:p.finds}, stood its mother and counted her little ones [again and again|in
        tears|aloud]. "One is missing," she said. "[Not any more|Here it is|Count again]," said {hero} {:how}.

        [What a dance that was!|How they all talked at once!|They would not let {him} go.] "{hero} counted {n} miles for us," they sang. <feast> Since then, when {hero} comes past
        {p}, somebody small [waves with|runs along with|shows {him}] a {c} {thing}.
        """,
        """
        Who sat behind the {thing}? A small {a}.
        What did {hero} find? A {c} {thing}.
        Where was the mother? {p.at}.
        Who knew where the {thing} came from? {other}.
        What did {hero} give the {a} to eat? Some {hero.food}.
        How many miles did {hero} count? {hero} counted {n}.
        """,
    ),
    "the detective": (
        """
        <once> {hero:cast.intro} missed a {c:colour} {thing:treasure}. <about> {Other:cast.the} was sent for, [being nosy by profession|as
        the owner of a magnifying glass|as always].

        "[Nobody leaves this place|Stand back|Everything is a clue]," said {other} {:how}. They looked {p:place.at}, and the {c} {thing}
        was not there, only {:p.finds}. "I was [asleep|fast asleep|in bed with a cold] all {:day}," said {hero} {:how}, "and when I
        woke up, the {thing} was gone."

        {other} [measured the footprints|sniffed the air|followed some crumbs], and counted {n:number}, yes, {n} steps to the left, around a corner and [through a window|down a ladder|over a fence], straight to {hero}'s own bed. "{hero.cry}" There lay the
        {thing}. "So it was I," said {hero}, "and [I walk in my sleep|I dreamed of a {thing}|I did not know it]!"

        "[Case closed|I knew it|Elementary]," said {other}, "I counted {n} steps and no more," and looked at the {c} {thing} once more. <feast> {other} still tells it to everybody: "I counted {n} steps." [A good detective looks at
        home first.|Since then {hero.friend} ties {hero} to the bed.|It is the only case that {other} ever solved.]
        """,
        """
        What was missing? A {c} {thing}.
        Who had taken the {thing}? {hero}.
        Who was sent for? {other}.
        What colour was the {thing}? It was {c}.
        How many steps did {other} count? {other} counted {n}.
        Where did they look first? {p.at}.
        """,
    ),
}
