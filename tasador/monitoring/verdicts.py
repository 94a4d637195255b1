"""A look at the requests in one word, and what the word means."""

VERDICTS = {
    "no_champion": "no champion yet",
    "too_few": "too few requests to tell",
    "quiet": "the champion suits what is asked",
    "moved": "what is asked moved, and does not hurt",
    "hurts": "what is asked hurts the champion",
}
