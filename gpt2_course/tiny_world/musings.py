"""The musings: a few thoughts on each topic of Tiny World."""

from __future__ import annotations

# topic → template; the first words of each musing name its topic
MUSINGS: dict[str, str] = {
    "the future of AI": """
        The future of AI is [not written yet|a story with many authors|in the hands of those who ask good questions|a garden
        that somebody must weed]. A machine can learn to [put one word after another|guess the next word|describe a {:treasure}],
        but it takes a person to [know which words are kind|ask what the words are for|notice when the words are wrong]. [Dot the
        robot|Ada's newest machine|A clever robot] once [read a whole library|counted every leaf on Windy Hill|learned
        {:number} languages] on a single {:day}, and still [asked {:cast.the} how to comfort a friend|did not know the taste of
        {:dish}|needed help with {:fruit}]. [Let it carry the heavy things, and let us choose the way.|Whoever understands
        how it works need not be afraid of it.|The best machines will make us [better at listening|more curious|a little more
        patient].|It will be as good as what we [teach it|show it|ask of it].]""",
    "the secret to happiness": """
        The secret to happiness is [{:dish} on a {:season} morning|a friend who laughs at your jokes|a {:colour} {:treasure} and nobody
        who wants it back|having something to look forward to|to want what you already have]. {Who:cast.the} says it is [to
        {who.likes}|{who.food}|a day without {who.fear}], and {other:cast.the} says it is [to {other.likes}|{other.food}|to sit
        {p:place.at} and do nothing]. [Both are right.|Perhaps it is both.|They have talked about it for {n:number} years, and will for {n} more.] You
        cannot [buy it at the market|keep it in a jar|carry it home in a sack], but you can [share it|give it away and have more of
        it|find it again the next day]. [Mostly it is small and comes in by the back door.|Look for it where you stand.|And it
        is always a little bigger for two.]""",
    "a good friend": """
        A good friend is [like a lantern|someone who knows your song|worth more than {n:number} golden {:fruit} and {n} silver ones|somebody who waits for
        you]. {Who:cast.the} and {Who.friend} [meet every {:day}|have never had a quarrel that lasted until supper|tell each other
        everything], and when one of them [is sad|is ill|has lost a {:treasure}], the other one brings {who.food}. [It need not be
        someone who is like you|A friend need not agree with you]: {who.friend} likes to {who.friend.likes}, and {who} likes to
        {who.likes}. [Together they do both.|They take turns.|That leaves a lot to talk about.] [To have a friend, be one.|An old
        friend is like an old {:treasure}: you know how to hold it.|A friend sees the crack in the cup and drinks from it all the
        same.]""",
    "courage": """
        Courage is [not the same as having no fear|a small voice|something one finds on the way|like a muscle]. {Who:cast.the} is afraid
        of {who.fear}, and yet {who.he} [went out on a {:rough} night|walked alone to {p:place}|stood up in front of everyone] to
        [help {who.friend}|bring back a lost {:treasure}|tell the truth]. {Who.his} [knees|hands|ears] [shook|trembled], and {who.he} went
        [all the same|on|nevertheless]. [Afterwards {who.he} had {who.food} and slept for {n:number} hours, and for {n} more.|"{who.cry}" was all that {who.he}
        said.|{who.friend} was very proud.] [The brave are afraid, too; they only walk a little farther.|Nobody is brave all day long.|
        Fear asks, what if? Courage answers, then we shall see.]""",
    "time": """
        Time is [what {who:cast.the} never has enough of|a river without a bridge|slow before {d:dish} and fast after it|the one thing that
        nobody can lend you]. In {:season} the days are [slippery|full of holes|quick|slow], and [the clock tower strikes {n:number}, and then {n} again|the shadows turn
        around the {:treasure}|the {:animal}s come and go]. The cuckoo in the clock says that [a clock does not know what time is|it only
        counts when you are late|every tick is new]. [{Other:cast.the} measures it in {:fruit}|{Other:cast.the} measures it in naps|{Other:cast.the} has never owned a watch], which [works just as well|is wrong, but pleasant|is a good way, too]. [Whoever
        waits for the right moment should bring a chair.|Yesterday was once a tomorrow that somebody feared.|The best hour is the one you
        do not notice.]""",
    "learning": """
        Learning is [like soup: you must stir it often|like soup: it takes more than one spoon|a long walk: you begin with a small step|what happens after a mistake: it goes better with a friend]. At school they tell you to
        [ask one question more|write it down|explain it to {:animal.a}]. {Who:cast.the} once tried {n:number} times to [draw a
        {:treasure}|spell a difficult word|say a poem without a mistake], and got it right [on the last try|on the {day:day} after|when
        nobody expected it]. {N} times is not many. [Not knowing is where it starts.|What you can explain, you have understood.|Even {other:cast.the}
        was once a beginner.|A wrong answer is a signpost: it says, not this way.]""",
    "rain": """
        Rain is [good for two things: [for {:fruit} and for {:dish}|for puddles and for naps|for ducks and for thinking]|music for
        those who stay inside|the sky coming down to look at us]. When it rains, {who:cast.the} [stands at the window|sits {who.home}|goes
        out without a hat] and would rather {who.likes}. {Other:cast.the} [runs for shelter|opens a {:colour}
        umbrella|complains], because {other.he} [has just washed|is {other.a}|left {:dish} outside]. [It falls on both of
        them alike.|The {:flower} do not complain.|Afterwards the whole world smells new.] [Nobody owns the weather.|A rainy day is a
        sunny day for a frog.|{N:number} dry days, {n} wet ones: it comes out even.]""",
    "home": """
        Home is [where they notice that you are late|a smell of {:dish}|the place that fits you like an old shoe|where you know the
        third stair creaks]. {Who:cast.the} lives {who.home}, and {who.he} would not change it for [a castle|all the {:fruit} of the
        market|{n:number} rooms with {n} views]. [There is a {:colour} door and a {:treasure} on the wall.|In {:season} it is [a little
        damp|warm|full of visitors].|One can hear the {:animal} from there.] When {who.friend} comes to visit, there will be [{who.food}|tea and {who.food}|room enough]. [It is not the walls that make it.|Everyone should have one.|You can carry most of it with you.]""",
    "music": """
        Music is [what the silence was waiting for|a language without spelling mistakes|older than the hills]. A good fiddler can
        [make a chair dance|play {n:number} songs with {n} fingers|make even {who:cast.the} hum]. [It costs nothing, and nobody can steal
        it.|One can share it and still have all of it.] On {:day} evenings, when [the fiddle starts|the {:season} fair begins|the lamps are
        lit], {other:cast.the} [taps with one foot|forgets all about {other.fear}|dances with {:treasure.a}], and [the {:animal} falls
        silent|the moon comes closer|nobody goes home]. [A wrong note is only a note that came too early.|Sing, and the road is shorter.|
        Even {:dish} tastes better with a tune.]""",
    "dreams": """
        Dreams are [letters we write to ourselves|the night shift of the mind|free of charge]. {Who:cast.the} dreams of {n:number} {:fruit} and {n} {:flower}
        that [sing|float|argue], and of a {:colour} {:treasure} {p:place.at}. {Other:cast.the} dreams [only of {other.food}|every {:day} of
        {other.fear}, and wakes up glad|that {other.he} can fly]. [In the morning most of it is gone|By breakfast they have
        forgotten it], [like snow in the hand|like a bird from a branch], but [a little {:colour} light stays behind the eyes|one
        word is left, and nobody knows what it means|the good mood stays until noon]. [Dream big: it takes up no room.|One should
        not tell them before breakfast.|Some of them are plans in disguise.]""",
}
