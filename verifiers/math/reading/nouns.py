# ruff: noqa: E501  (tables)
"""Words that may stand behind a number without changing it: counted nouns, what is measured, and a few describing words.

Only these may be left out of an answer. Any other word behind a number might make it another number (`5 sixteenths`,
`5 more`), so an answer that has one is undecided unless the reference has the same words.
"""

from __future__ import annotations

from verifiers.math.reading.vocabulary import unit_name

_PEOPLE = """
adult applicant artist athlete attendee aunt author baby baker boy brother caller captain carpenter cashier chef
child children citizen classmate client clown coach cousin customer dancer daughter dentist diner doctor driver
employee engineer family families fan farmer father female fireman firemen fisherman fishermen friend girl grandchild grandchildren
graduate guest guy human individual inhabitant kid kids ladies lady lawyer man men member mother musician neighbor
neighbour nurse officer owner painter parent participant passenger patient patron people person persons pilot player
principal prisoner professor pupil resident rider runner sailor scientist senator senior sister singer soldier son
spectator staff student swimmer teacher teen teenager tourist traveler uncle viewer villager visitor volunteer voter
waiter waitress winner woman women worker writer
"""
_ANIMALS = """
animal ant bat bear bee beetle bird bug bull bunny butterfly calf calves camel cat caterpillar chick chicken cow crab cricket crow
deer dog dolphin donkey dragon duck duckling eagle elephant fish fly fox frog gazelle giraffe goat goldfish goose geese hamster hen
hippo horse insect kangaroo kitten ladybug lamb leopard lion lizard llama monkey mouse mice octopus ostrich owl ox oxen panda
parrot penguin pet pig pigeon piglet pony ponies puppy puppies rabbit rat rooster shark sheep snail snake spider squirrel swan
tiger turkey turtle whale wolf wolves worm zebra
"""
_THINGS = """
acorn airplane album apple apricot apron aquarium arrow article avocado backpack bag bagel ball balloon banana band bandage bar
barrel basket basketball bat bead bean bed beer bench berry berries bike bill bin biscuit blanket block blossom blouse board boat bolt
book bookshelf boot bottle bouquet bowl box bracelet branch brick bridge broom brownie brush bucket building bulb bulldozer bun
burger burrito bus bush button cabbage cabinet cake calculator camera can candle candy candies canoe cap car card carnation carrot cart carton
cavity cavities cd cell cent chair chapter cheesecake cherry cherries chip chocolate church circle classroom clock cloth coat coconut coin
comic computer cone container cookie cord couch cracker crate crayon croissant crop cube cucumber cupcake curtain cushion
desk device diamond diaper dice die dish doll donut door doughnut dress drink drop drum earring egg eggplant email engine envelope eraser
essay fence fig file flag floor flower folder fork frame fruit game garden gem gift glass glove glue grape grapefruit
guitar hamburger hammer hat headband hole house hotdog icicle instrument item jacket jar jelly jellybean jewel
journal juice key kite knife knives ladder lamp laptop leaf leaves leg lemon lemonade lesson letter library light lightbulb lily
lilies lime lollipop lunch machine magazine magnet mailbox mango map marble mask meal medal melon message mirror mitten motorcycle movie
muffin mug mushroom nail napkin necklace nest newspaper nickel note notebook novel nut oatmeal olive onion orange orchid outfit
package packet pad page painting pan pancake pant paper parcel pastry pastries peach peanut pear pearl pebble pen pencil penny pennies pepper phone photo
photograph piano picture pie piece pill pillow pin pineapple pizza plane planet plant plate plum poem popsicle
post postcard poster pot potato potatoes present pretzel prize program pumpkin purse puzzle quilt radish raisin ranch
recipe record ribbon ring road robot rock room root rope rose ruler salad sandwich sandwiches saucer scarf scarves school seashell seat seed
sentence sheet shelf shelves shell ship shirt shoe shop shovel sign skirt skittle slice snack snowball snowflake snowman snowmen sock soda
sofa song spoon sprinkle stair stamp stapler star stem step stick sticker stone store story stories straw strawberry strawberries string sundae sunflower
sweater sweet table tablet tail tank tape taxi tea ticket tie tile tire toaster token tomato tomatoes tool tooth teeth toothbrush towel
tower town toy tractor train tray treat tree tricycle trophy trophies truck trumpet tshirt tulip tv umbrella uniform van vase vegetable vehicle
village violet wagon wall watch watermelon wheel whistle window wire word yacht yogurt zipper
sapling sack pack pallet pouch tin tub tube scoop serving portion ream bale bushel dime
"""
_OCCASIONS = """
accident appointment assignment attempt birthday call chore class classes concert contest course cycle dance date
error event exam exercise flight game goal hit homework hop interview jump lap laugh lecture
move night party parties period play practice problem question quiz quizzes race ride round run session shift shot
show sitting speech stop strike swing task term test throw time touchdown tournament trial trip turn visit vote walk
weekday weekend win workout
"""
_MATHEMATICS = """
altitude angle answer arc arrangement asymptote case center centre choice chord circle code coefficient color colour column
combination component configuration congruence coset cube curve cut cycle cylinder derangement
diagonal digit dimension dimensions divisor edge eigenvalue element ellipse equation extremum face factor fold
function graph group grouping handshake hexagon homomorphism hyperbola integer intersection interval isomorphism letter
line maximum minimum match matches monomial multiple node number octagon operation option order orbit ordering outcome outfit pair parabola
parallelogram partition password path pattern pentagon permutation plane point pole polygon polynomial polyhedron position
possibility possibilities prime prism pyramid quadrilateral quadruple ray rearrangement rectangle region rhombus root route row
segment selection sequence set side sign singularity solution sphere square state strip subgroup subset subsequence substring symmetry
symmetries team term tetrahedron trapezoid tree triangle triple tuple tiling type unit value vector vertex vertices way
word zero zeros zeroes seating committee committees inversion crossing cell
atom bacteria molecule mole particle photon neutron proton electron
"""
_MEASURED = """
air bread butter chocolate cheese coffee coke concrete corn dirt dough fabric flour food fuel gas gasoline gold grass hay homework
honey ice juice land lemonade meat milk money mulch oil paint pasta pizza popcorn profit rice rope salt sand silver snow soda soil
soup sugar syrup tea time wheat wood wool work water exercise sleep overtime distance area volume ribbon string wire yarn cloth
"""
_DESCRIBING = """
square sq cubic distinct different ordered unordered possible real complex integer integral positive rational prime even odd whole nonzero
nonnegative right equilateral isosceles congruent similar unique valid such consecutive red blue green yellow white black orange purple
pink brown gray grey silver golden new full empty female male old young small large big little tall long wide deep high thick fresh broken
rotten ripe chocolate paper wooden plastic metal glass toy wild total
"""
_ENDINGS = "left remaining total altogether overall combined each long wide tall high deep thick old apart times"
_LINKS = frozenset({"of", "in", "a", "an", "the", "per", "all"})
_ONLY_PLURAL = frozenset(
    "square cube root factor fold power prime zero minimum maximum base order sign point degree term".split()  # noqa: SIM905
)
"""Nouns that in the singular may stand for arithmetic: `5 square`, `5 root`."""
_NOUNS = frozenset(" ".join((_PEOPLE, _ANIMALS, _THINGS, _OCCASIONS, _MATHEMATICS, _MEASURED)).split())
_DESCRIBING_WORDS = frozenset(_DESCRIBING.split())
_ENDING_WORDS = frozenset(_ENDINGS.split())


def singular(word: str) -> str:
    """The singular of a regular plural; any other word as it is."""
    for ending, replacement in _PLURALS:
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + replacement
    return word


_PLURALS = (("ies", "y"), ("ves", "f"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("s", ""))


def is_noun(word: str) -> bool:
    """Whether the word, in lower case, is a counted noun or something that is measured."""
    if not word.isalpha():
        return False
    one = singular(word)
    if one in _ONLY_PLURAL:
        return word != one
    return word in _NOUNS or (word.endswith("s") and not _NOUNS.isdisjoint((one, word[:-1], word[:-2], f"{one}e")))


def is_describing(word: str) -> bool:
    """Whether the word, in lower case, may stand between a number and its noun."""
    return word in _DESCRIBING_WORDS


def change_nothing(words: list[str]) -> bool:
    """Whether words behind a number or a unit may be left out: described nouns, `of water`, `in total`, `each`."""
    if not words:
        return True
    words = [word.lower() for word in words]
    if len(words) > 2 and words[-2] in ("per", "a", "an", "each", "every") and unit_name(words[-1]):
        words = words[:-2]
    if words[0] in ("pair", "pairs") and words[1:2] != ["of"]:
        return False  # ten pairs may be twenty
    if not (is_noun(words[-1]) or words[-1] in _ENDING_WORDS):
        return False
    return all(is_noun(w) or w in _DESCRIBING_WORDS or w in _ENDING_WORDS or w in _LINKS for w in words)
