"""Questions about the facts of the world, with their answers.

x is a member of the cast, p is a place, and f is what can be found there.
"""

from __future__ import annotations

# One question per line; its answer follows the question mark.
QUESTIONS = """
What does {x:cast.the} like to eat? {X} loves {x.food}.
What is the favourite food of {x:cast.the}? {X} loves {x.food}.
Where does {x:cast.the} live? {X} lives {x.home}.
Who is the best friend of {x:cast.the}? It is {x.friend.the}.
What is the favourite colour of {x:cast.the}? It is {x.colour}.
What is {x:cast.the} afraid of? {X} is afraid of {x.fear}.
What does {x:cast.the} like to do? {X} likes to {x.likes}.
What does {x:cast} say when surprised? "{x.cry}"
Who lives {x:cast.home}? {X.the} lives there.
Who likes to {x:cast.likes}? {X.the} does.
Who says "{x:cast.cry}"? {X.the} does.
Who or what is {x:cast}? {X} is {x.a}.
What can you find {p:place.at}? You can find {f:p.finds} there.
Where can you find {f:finds}? You can find them {f.where}.
"""
