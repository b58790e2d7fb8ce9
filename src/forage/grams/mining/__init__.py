"""Finding strategic grams in correct solutions: mining, embedding, clustering, and the placebo beside each list.

Words, lists and matching stand in `forage.grams`, on floor 1, because the planning signal reads them too.
"""
