"""Questions about the facts of the world, with their answers.

x is a member of the cast, p is a place, and f is something that can be found in one place.
"""

from __future__ import annotations

# One question per line; its answer follows the question mark.
QUESTIONS = """
What does {x:cast.the} like to eat? {X} loves {x.food}.
What is {x:cast}'s favorite food? {X} loves {x.food}.
Where does {x:cast.the} live? {X} lives {x.home}.
Who is {x:cast}'s best friend? {X}'s best friend is {x.friend.the}.
What is {x:cast}'s favorite color? It is {x.color}.
What is {x:cast.the} afraid of? {X} is afraid of {x.fear}.
What does {x:cast.the} like to do? {X} likes to {x.likes}.
What does {x:cast} say when {x.he} is surprised? "{x.cry}"
Who lives {x:cast.home}? {X.the} lives there.
Who likes to {x:cast.likes}? {X.the} does.
Who says "{x:cast.cry}"? {X.the} does.
Who is {x:cast}? {X} is {x.a}.
What can you find {p:place.at}? You can find {p.all} there.
Where can you find {f:finds}? You can find them {f.where}.
"""
