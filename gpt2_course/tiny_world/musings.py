"""The musings: a few thoughts on each topic of Tiny World."""

from __future__ import annotations

# topic → template; the first words of each musing name its topic
MUSINGS: dict[str, str] = {
    "the future of AI": """
        The future of AI is [not written yet|a story with many authors|in the hands of those who ask good questions|a
        garden that someone must weed]. A machine can learn to [put one word after another|guess the next word|describe
        a {:treasure}], but it takes a person to [know which words are kind|ask what the words are for|notice when the
        words are wrong]. [A very large computer|Ada's newest machine|A clever robot] once [read a whole library|counted
        every leaf on Windy Hill|learned {:number} languages] in a single {:day} afternoon and still [had to ask
        {:cast.the} how to comfort a friend|did not know the taste of {:dish}|needed help choosing {:fruit}]. [Let
        machines carry the heavy things, and let us choose the way.|When you understand how AI works, you need not fear
        it.|The best machines will make us [better at listening|more curious|a little more patient].|AI will be as good
        as what we [teach it|show it|ask of it].]""",
    "the secret to happiness": """
        The secret to happiness is [{:dish} on a {:season} morning|a friend who laughs at your jokes|a {:color}
        {:treasure} to call your own|having something to look forward to|wanting what you already have]. {Who:cast.the}
        says [you just have to {who.likes}|it is {who.food}|it is never having to think about {who.fear}], and
        {other:cast.the} says [you just have to {other.likes}|it is {other.food}|it is sitting {p:place.at} and doing
        nothing]. [Both are right.|Perhaps it is both.|They have been talking about it for {n:number} years and will
        talk for {n} more.] You cannot [buy it at the market|keep it in a jar|carry it home in a sack], but you can [share
        it|give it away and have more of it|find it again the next day]. [It is usually small and comes in through the
        back door.|Look for it right where you are.|And there is always enough for two.]""",
    "a good friend": """
        A good friend is [like a lantern in the dark|someone who knows your song|worth more than {n:number} golden
        {:fruit} and {n} silver ones|someone who waits for you]. {Who:cast.the} and {Who.friend} [meet every {:day}|have
        never had a quarrel that lasted until supper|tell each other everything], and when one of them [is sad|is
        sick|has lost a {:treasure}], the other one brings {who.food}. [A friend does not have to be just like
        you|Friends do not have to like the same things]: {who.friend} likes to {who.friend.likes}, and {who} likes to
        {who.likes}. [Together they do both.|They take turns.|That gives them a lot to talk about.] [To have a friend,
        be one.|An old friend is like an old {:treasure}: you would never trade it for a new one.|A friend sees the
        crack in the cup and drinks from it anyway.]""",
    "courage": """
        Courage is [not the same as having no fear|a small, quiet voice|something you find along the way|a muscle that
        grows with use]. {Who:cast.the} is afraid of {who.fear}, and yet {who.he} [went out on a {:rough} night|went
        alone to {p:place}|set out at midnight] to [help {who.friend}|bring back a lost {:treasure}|tell the truth].
        {Who.his} [knees|legs|voice] [shook|trembled], but {who.he} [did it anyway|kept going|did not turn back].
        [Afterward, {who.he} had {who.food} and slept for {n:number} hours, and then for {n} more.|"{who.cry}" was all
        {who.he} said.|{who.friend} was very proud of {who.him}.] [The brave are afraid, too; they just walk a little
        farther.|Nobody is brave all day long.|Fear asks, "What if?" Courage answers, "Let's find out."]""",
    "time": """
        Time is [what {who:cast.the} never has enough of|a river without a bridge|slow before {:dish} and fast
        afterward|the one thing nobody can lend you]. In {:season}, the days are [slippery|full of
        surprises|quick|slow], and [the clock tower strikes {n:number} and, half a day later, {n} again|a
        {:treasure} gathers dust on the shelf|the {:animal}s come and go]. The cuckoo in the clock says that [a clock
        does not know what time is|time only counts when you are late|every tick is new]. {Other:cast.the} [measures
        time in {:fruit}|measures time in naps|has never owned a watch], which [works just as well|is silly but
        pleasant|is fine, too]. [If you are waiting for the right moment, bring a chair.|Yesterday was once a tomorrow
        that someone worried about.|The best hour is the one you do not notice.]""",
    "learning": """
        Learning is [like soup: you have to keep stirring|like soup: it takes more than one spoonful|like a long walk:
        it begins with one small step|like a seesaw: it works better with a friend]. In school, they tell you to [ask
        one more question|write it down|explain it to a {:animal}]. {Who:cast.the} once tried {n:number} times to [draw
        a {:treasure}|spell a hard word|recite a poem without a mistake] and got it right [on the last try|the next
        {:day}|when nobody expected it]. {N} tries is nothing to be ashamed of. [Not knowing is where it starts.|If you
        can explain it, you have understood it.|Even {other:cast.the} was once a beginner.|A wrong answer is a signpost
        that says, "Not this way."]""",
    "rain": """
        Rain is [good for [{:fruit} and {:flower}|puddles and naps|ducks and daydreams]|music for those who stay
        indoors|the sky coming down to see us]. [When it rains|On a rainy day], {who:cast.the} [stands at the
        window|stays {who.home}|goes out without a hat] and thinks of [{who.food}|{who.friend}|{:dish}].
        {Other:cast.the} [runs for cover|opens a {:color} umbrella|grumbles] because {other.he} [has just had a
        bath|hates wet feet|is carrying {:dish} home]. [The rain does not mind either way.|The {:flower} do not
        complain.|Afterward, the whole world smells new.] [Nobody owns the weather.|A rainy day is a sunny day for a
        frog.|{N:number} dry days, {n} wet ones: it all comes out even.]""",
    "home": """
        Home is [where they notice when you are late|the smell of {:dish}|a place that fits you like an old shoe|where
        you know which stair creaks]. {Who:cast.the} lives {who.home} and would not trade it for [a castle|all the
        {:fruit} in the market|{n:number} rooms with {n} views]. [There is a {:color} rug on the floor and a {:treasure}
        on the shelf.|In {:season}, it is [a little damp|warm and cozy|full of visitors].|You can watch the {:animal}s
        from there.] When {who.friend} comes to visit, {who} brings out [{who.food}|tea and {who.food}|the good plates].
        [It is not the walls that make a home.|Everyone should have a place like that.|You can carry most of it with
        you.]""",
    "music": """
        Music is [what the silence was waiting for|a language without spelling mistakes|older than the hills]. A good
        piano player can [make a chair dance|learn {n:number} songs and remember all {n}|make even {who:cast.the} hum].
        [A tune costs nothing, and nobody can steal it.|You can share a tune and still have all of it.] On {:day}
        evenings, when [the fiddle starts|the {:season} stars come out|the lamps are lit], {other:cast.the} [taps one
        foot|forgets all about {other.fear}|dances with a {:treasure}], and [the {:animal}s fall silent|the moon comes
        closer|nobody goes home]. [A wrong note is just a note that came too early.|Sing, and the road grows shorter.|A
        good song goes well with {:dish}.]""",
    "dreams": """
        Dreams are [letters we write to ourselves|the night shift of the mind|free of charge]. {Who:cast.the} dreams of
        {n:number} {:fruit} and {n} {:flower} that [sing|float|argue], and of a {:color} {:treasure} {p:place.at}.
        {Other:cast.the} dreams [only of {other.food}|about {other.fear} every {:day} and is glad to wake up|of walking
        on the moon]. [In the morning|By breakfast], most of the dream has [melted like snow in your hand|flown away
        like a bird], but [a little {:color} cloud stays behind|one word is left, and nobody knows what it means|the
        good mood lasts until noon]. [Dream big; dreams take up no room.|Never tell a dream before breakfast.|Some
        dreams are plans in disguise.]""",
}
